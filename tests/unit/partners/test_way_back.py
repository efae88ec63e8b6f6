from datetime import UTC, datetime

import pytest

from app.core.ids import new_id
from app.domain.partners.model import ApiKey
from app.surfaces.rider.way_back import leads_home

KEY = ApiKey(
    id=new_id(), partner_id=new_id(), public_key="bk_x", origins=["https://city.example"], created_at=datetime.now(UTC), revoked_at=None
)


@pytest.mark.parametrize("address", ["https://city.example", "https://city.example/derby?a=1", "https://CITY.example/x"])
def test_pages_of_a_registered_origin_are_home(address: str) -> None:
    assert leads_home(KEY, address)


@pytest.mark.parametrize(
    "address",
    [
        "", "/x", "//city.example/", "http://city.example/", "https://city.example.evil.example/", "https://city.example@evil.example/",
        "https://evil.example/https://city.example", "javascript:alert(1)//https://city.example", "https://city.example:8443/",
        "https://city.example\\@evil.example/", "https://city.example/" + "a" * 2000, "https://[city.example/",
    ],
)  # fmt: skip
def test_nothing_else_is(address: str) -> None:
    assert not leads_home(KEY, address)
