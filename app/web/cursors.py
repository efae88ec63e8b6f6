"""Opaque cursors: where a listing goes on, as text that only we read."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TypeVar

import msgspec

from app.core.errors import Invalid

T = TypeVar("T", bound=msgspec.Struct)
MAX_LIMIT = 100


def write_cursor(position: msgspec.Struct) -> str:
    """A position as a cursor."""
    return urlsafe_b64encode(msgspec.msgpack.encode(position)).rstrip(b"=").decode()


def read_cursor(cursor: str | None, into: type[T]) -> T | None:
    """The position in a cursor; Invalid when it is not one of ours."""
    if not cursor:
        return None
    try:
        return msgspec.msgpack.decode(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=into)
    except (binascii.Error, msgspec.DecodeError, ValueError):
        raise Invalid.field("cursor", "Use the cursor of the page before, as it is.", code="bad_cursor") from None


def check_limit(limit: int) -> int:
    """A page's size, 1 to 100."""
    if not 1 <= limit <= MAX_LIMIT:
        raise Invalid.field("limit", f"A page has 1 to {MAX_LIMIT} items.")
    return limit
