"""The way back to the partner's page that a rider came from: only to an origin registered with the widget's key."""

from typing import Any
from urllib.parse import quote, unquote, urlsplit

import msgspec
from litestar import Request
from litestar.datastructures import Cookie

from app.core.database import Connection
from app.core.errors import Invalid
from app.domain.partners import store as partners
from app.domain.partners.model import ApiKey, read_origin
from app.domain.pledges.model import Pledge, PledgeState
from app.settings import Settings

COOKIE = "busload_return"
KEEP_S = 3_600
MAX_LENGTH = 2_000
PARTS = 3  # of the cookie: trip, key, address
NOT_YET = frozenset({PledgeState.PENDING_CARD, PledgeState.LAPSED, PledgeState.REFUSED})


class WayBack(msgspec.Struct, frozen=True, kw_only=True):
    """Where the rider came from; the address tells the widget there that the trip has been pledged to."""

    url: str
    host: str


def leads_home(key: ApiKey, address: str) -> bool:
    """Whether an address is a page of one of the key's origins."""
    try:
        parts = urlsplit(address)
        origin = read_origin(f"{parts.scheme}://{parts.netloc}")
    except (Invalid, ValueError):
        return False
    return origin in key.origins and len(address) <= MAX_LENGTH and address.isprintable()


def remember_way_back(key: ApiKey | None, address: str, *, trip_code: str, settings: Settings) -> list[Cookie]:
    """The cookie that keeps a good address until the rider is back from the card page; none for a bad one."""
    if key is None or not leads_home(key, address):
        return []
    kept = quote(f"{trip_code} {key.public_key} {address.split('#', maxsplit=1)[0]}", safe="")
    secure = settings.base_url.startswith("https://")
    return [Cookie(key=COOKIE, value=kept, max_age=KEEP_S, path="/p/", httponly=True, samesite="lax", secure=secure)]


async def find_way_back(conn: Connection, request: Request[Any, Any, Any], pledge: Pledge, trip_code: str) -> WayBack | None:
    """The way back for a pledge to the trip it was kept for, once its card is saved; the key is asked again."""
    kept = unquote(request.cookies.get(COOKIE, "")).split(" ", 2)
    if len(kept) != PARTS or kept[0] != trip_code or pledge.state in NOT_YET:
        return None
    _, public_key, address = kept
    key = await partners.find_key(conn, public_key)
    if key is None or not leads_home(key, address):
        return None
    return WayBack(url=f"{address}#busload-pledged={quote(trip_code)}", host=urlsplit(address).netloc)
