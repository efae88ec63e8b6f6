from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.manifests.passes import TOKEN_LENGTH, PassClaims, PassRefused, key_id_of, read_pass, sign_pass, signing_key

KEY = signing_key("a secret of this installation, long enough")
OLD_KEY = signing_key("the secret before the rotation, long enough")
KEYS = {KEY.key_id: KEY.public_key}
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CLAIMS = PassClaims(
    pledge_id=UUID("019a0000-0000-7000-8000-000000000001"),
    duty_id=UUID("019a0000-0000-7000-8000-000000000002"),
    person=3,
    leg="return",
    valid_from=NOON - timedelta(hours=6),
    valid_until=NOON + timedelta(hours=6),
    serial=b"serial",
)
TOKEN = sign_pass(KEY, CLAIMS)


def test_a_genuine_pass_says_what_was_signed() -> None:
    assert read_pass(TOKEN, KEYS, at=NOON) == CLAIMS


@given(
    st.builds(
        PassClaims,
        pledge_id=st.uuids(),
        duty_id=st.uuids(),
        person=st.integers(1, 8),
        leg=st.sampled_from(["outbound", "return"]),
        valid_from=st.just(NOON - timedelta(days=1)),
        valid_until=st.just(NOON + timedelta(days=1)),
        serial=st.binary(min_size=6, max_size=6),
    )
)
def test_every_pass_reads_back_and_has_one_length(claims: PassClaims) -> None:
    token = sign_pass(KEY, claims)
    assert len(token) == TOKEN_LENGTH
    assert read_pass(token, KEYS, at=NOON) == claims


def test_no_character_of_a_pass_can_be_changed() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place, letter in enumerate(TOKEN):
        for step in (1, 2, 4, 8, 16, 32):  # every single bit
            other = alphabet[alphabet.index(letter) ^ step]
            with pytest.raises(PassRefused):
                read_pass(TOKEN[:place] + other + TOKEN[place + 1 :], KEYS, at=NOON)


@pytest.mark.parametrize(
    "token", ["", "x", TOKEN[:-1], TOKEN + "A", TOKEN[:-4] + "====", " " + TOKEN[1:], TOKEN[:-1] + "é", "+" * TOKEN_LENGTH]
)
def test_what_is_no_token_is_refused_as_unreadable(token: str) -> None:
    with pytest.raises(PassRefused) as refused:
        read_pass(token, KEYS, at=NOON)
    assert refused.value.code == "pass_unreadable"


def test_a_pass_of_an_unknown_key_is_refused() -> None:
    with pytest.raises(PassRefused) as refused:
        read_pass(sign_pass(OLD_KEY, CLAIMS), KEYS, at=NOON)
    assert refused.value.code == "pass_key_unknown"


def test_a_pass_of_the_old_key_holds_while_its_public_half_is_accepted() -> None:
    both = {**KEYS, OLD_KEY.key_id: OLD_KEY.public_key}
    assert read_pass(sign_pass(OLD_KEY, CLAIMS), both, at=NOON) == CLAIMS


def test_a_pass_cannot_borrow_the_id_of_an_accepted_key() -> None:
    forger = signing_key("a secret that somebody made up, long enough")
    token = sign_pass(type(KEY)(key_id=KEY.key_id, private_key=forger.private_key), CLAIMS)
    with pytest.raises(PassRefused) as refused:
        read_pass(token, KEYS, at=NOON)
    assert refused.value.code == "pass_invalid"


@pytest.mark.parametrize("at", [CLAIMS.valid_from - timedelta(seconds=1), CLAIMS.valid_until + timedelta(seconds=1)])
def test_a_pass_holds_only_in_its_time(at: datetime) -> None:
    with pytest.raises(PassRefused) as refused:
        read_pass(TOKEN, KEYS, at=at)
    assert refused.value.code == "pass_out_of_time"


def test_a_pass_holds_at_both_ends_of_its_time() -> None:
    assert read_pass(TOKEN, KEYS, at=CLAIMS.valid_from) == read_pass(TOKEN, KEYS, at=CLAIMS.valid_until)


def test_the_same_secret_gives_the_same_key_everywhere_and_another_secret_another() -> None:
    again = signing_key("a secret of this installation, long enough")
    assert (again.key_id, again.public_key) == (KEY.key_id, KEY.public_key)
    assert key_id_of(KEY.public_key) == KEY.key_id != OLD_KEY.key_id
