"""Which e-mail addresses are taken, and which are the same person's."""

import pytest

from app.domain.accounts.model import looks_like_email, normalise_email


@pytest.mark.parametrize("email", ["ada@example.org", " ada.l+bus@mail.example.co.uk ", "żółw@przykład.pl", f"{'a' * 64}@example.org"])
def test_an_address_that_can_be_mailed_is_taken(email: str) -> None:
    assert looks_like_email(email)


@pytest.mark.parametrize(
    "email",
    ["", "ada", "@example.org", "ada@", "ada@localhost", "ada@.", "a@b@example.org", "ada bob@example.org", "ada@exam ple.org",
     "ada@example.org\nBcc: x@example.org", "ada\u0000@example.org", f"{'a' * 65}@example.org", f"ada@{'b' * 256}.org"],
)  # fmt: skip
def test_what_cannot_be_mailed_is_refused(email: str) -> None:
    assert not looks_like_email(email)


def test_an_address_is_the_same_however_it_is_written() -> None:
    assert normalise_email(" Ada+bus@Example.ORG ") == normalise_email("ada@example.org") == "ada@example.org"
