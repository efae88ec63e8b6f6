"""SQL of receipts: one number per reference, given with its first charge and never again."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_maybe


class ReceiptNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt's number and when it was given."""

    number: int
    issued_at: datetime

    @property
    def code(self) -> str:
        """As people read it: `BL-2026-000042`."""
        return f"BL-{self.issued_at.year}-{self.number:06d}"


async def issue_receipt(conn: Connection, reference: UUID) -> None:
    """Gives a reference its receipt's number; the one it has stays."""
    await conn.execute("INSERT INTO receipts (reference) VALUES ($1) ON CONFLICT (reference) DO NOTHING", reference)


async def find_receipt(conn: Connection, reference: UUID) -> ReceiptNumber | None:
    """A reference's receipt; None as long as nothing was charged."""
    return await fetch_maybe(conn, ReceiptNumber, "SELECT number, issued_at FROM receipts WHERE reference = $1", reference)
