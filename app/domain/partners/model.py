"""Partners, their keys and webhooks: Structs, and what can be decided from them alone."""

import hashlib
import hmac
import ipaddress
from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from app.core.errors import Invalid

MAX_ORIGINS = 20
MAX_URL_LENGTH = 2_048
SECRET_PREFIX = "whsec_"  # noqa: S105  the form of a secret, none itself
SECRET_BYTES = 32
# Waits before tries 2 to 10, as the Standard Webhooks specification recommends them: 10 tries over 75 h 35 min 5 s.
WAITS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
MAX_TRIES = len(WAITS_S) + 1
COUNT_WINDOW = timedelta(seconds=60)
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class DeliveryState(StrEnum):
    """A delivery waits for its next try, has been taken, or is given up (until somebody replays it)."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Partner(msgspec.Struct, frozen=True, kw_only=True):
    """An event's team, venue or festival."""

    id: UUID
    public_code: str
    name: str
    site_url: str
    email: str


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key that stands in a partner's page. It is no secret: it opens public trips, from its origins only."""

    id: UUID
    partner_id: UUID
    public_key: str
    origins: list[str]
    created_at: datetime
    revoked_at: datetime | None


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where a partner gets webhooks; the secret signs them."""

    id: UUID
    partner_id: UUID
    url: str
    secret: str
    created_at: datetime
    disabled_at: datetime | None
    disabled_reason: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one endpoint. `last_status` is the HTTP status of the newest try, None when nobody answered."""

    id: UUID
    endpoint_id: UUID
    message_id: str
    type: str
    body: str
    state: DeliveryState
    tries: int
    next_try_at: datetime | None
    last_status: int | None
    last_error: str
    created_at: datetime
    delivered_at: datetime | None


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A claimed try: what is sent where. `tries` counts this one."""

    id: UUID
    endpoint_id: UUID
    url: str
    secret: str
    message_id: str
    type: str
    body: str
    tries: int


def message_id(type: str, subject_id: UUID, occurrence: str = "") -> str:
    """The `webhook-id` of news: the same for the same type, subject and occurrence; without the full stop that delimits what is signed."""
    parts = ["msg", type.replace(".", "-"), str(subject_id), *([occurrence] if occurrence else [])]
    return "_".join(parts)


def sign(secret: str, message_id: str, timestamp_s: int, body: str) -> str:
    """The `webhook-signature` (Standard Webhooks 1.0.0, symmetric): HMAC-SHA256 over `id.timestamp.body`, base64, scheme v1."""
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    digest = hmac.digest(key, f"{message_id}.{timestamp_s}.{body}".encode(), hashlib.sha256)
    return f"v1,{b64encode(digest).decode()}"


def wait_after(tries: int) -> timedelta | None:
    """How long after try number `tries` (from 1) the next one comes; None after the last."""
    return timedelta(seconds=WAITS_S[tries - 1]) if tries < MAX_TRIES else None


def read_origin(text: str) -> str:
    """An origin in the form browsers send it: `https://example.org`, with a port only when it is not the scheme's own.

    Raises Invalid for anything with a path, a wildcard or a user, and for http:// anywhere but on a developer's own machine.
    """
    faulty = Invalid.field(
        "origins", f"`{text[:80]}` is no origin. Write scheme and host only, such as https://www.example.org.", code="bad_origin"
    )
    try:
        parts = urlsplit(text.strip().lower())
        port = parts.port
    except ValueError:
        raise faulty from None
    host = parts.hostname or ""
    if (
        parts.scheme not in {"http", "https"}
        or not host
        or parts.path not in {"", "/"}
        or parts.query
        or parts.fragment
        or "@" in parts.netloc
    ):
        raise faulty
    if "*" in host or not host.isascii() or not all(part.replace("-", "").isalnum() for part in host.replace(":", ".").split(".") if part):
        raise faulty
    if parts.scheme == "http" and host not in LOOPBACK_NAMES:
        raise Invalid.field("origins", f"`{text[:80]}` must be https:// (http only for localhost).", code="bad_origin")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" if port in {None, 80 if parts.scheme == "http" else 443} else f"{parts.scheme}://{shown}:{port}"


def read_origins(texts: list[str]) -> list[str]:
    """The origins of a key, each once, in the order given. Raises Invalid for none, too many or a wrong one."""
    origins = list(dict.fromkeys(read_origin(text) for text in texts if text.strip()))
    if not 1 <= len(origins) <= MAX_ORIGINS:
        raise Invalid.field("origins", f"Name 1 to {MAX_ORIGINS} origins, one for each site that shows the widget.", code="bad_origin")
    return origins


def check_endpoint_url(url: str, *, loopback_allowed: bool) -> str:
    """An endpoint's address, or Invalid (`bad_webhook_url`). Where it leads is checked again on every try, once its name is resolved."""

    def fault(message: str) -> Invalid:
        return Invalid.field("url", message, code="bad_webhook_url")

    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        raise fault("This is no web address. It should look like https://example.org/busload.") from None
    if (
        not parts.hostname
        or len(url) > MAX_URL_LENGTH
        or "@" in parts.netloc
        or parts.fragment
        or not url.isascii()
        or not url.isprintable()
    ):
        raise fault("Give a plain web address such as https://example.org/busload, without a user name and without `#`.")
    if parts.scheme != "https" and not (loopback_allowed and parts.scheme == "http" and parts.hostname in LOOPBACK_NAMES):
        raise fault("The address must begin with https://.")
    if refused := refused_address(parts.hostname, loopback_allowed=loopback_allowed):
        raise fault(f"We do not send to {refused}; give an address on the public internet.")
    return url.strip()


def refused_address(host: str, *, loopback_allowed: bool) -> str:
    """Why an IP address may not be sent to ('' when it may, or when `host` is a name that is still to be resolved)."""
    try:
        address = ipaddress.ip_address(host.split("%", maxsplit=1)[0])
    except ValueError:
        return "" if loopback_allowed or host.lower().rstrip(".") != "localhost" else "this machine"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        return "" if loopback_allowed else "this machine"
    tunnels = isinstance(address, ipaddress.IPv6Address) and (
        address.sixtofour is not None or address.teredo is not None or any(address in network for network in NAT64)
    )
    closed = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_link_local or tunnels
    return "a private or reserved address" if closed or not address.is_global else ""


NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
