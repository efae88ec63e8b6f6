"""A mail in the outbox."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec


class NewMail(msgspec.Struct, frozen=True, kw_only=True):
    """News for one person; the same `dedupe_key` is told once. `data` is what the template needs, links are made when it is sent."""

    dedupe_key: str
    recipient: str
    template: str
    locale: str
    data: dict[str, Any]
    subject_id: UUID | None


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A queued mail."""

    id: UUID
    recipient: str
    template: str
    locale: str
    data: dict[str, Any]
    created_at: datetime
    sent_at: datetime | None
    tries: int


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A rendered mail."""

    subject: str
    text: str
    html: str


def money(amount_minor: int, currency: str) -> str:
    """An amount in a mail: `EUR 32.00`."""
    from_units = amount_minor / 100 if currency not in {"JPY", "KRW"} else amount_minor
    return f"{currency} {from_units:,.2f}" if currency not in {"JPY", "KRW"} else f"{currency} {from_units:,}"
