"""Who a payee is: payouts know an opaque id, mails and Stripe need a name and an address."""

from uuid import UUID

import msgspec

from app.core.database import Connection
from app.domain.fleet import store as fleet
from app.domain.partners import store as partners
from app.domain.payments.payouts.model import PayeeKind


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """An operator or partner as a mail addresses it; `path` is where its statements stand."""

    id: UUID
    kind: PayeeKind
    name: str
    email: str
    country: str | None
    path: str


async def find_contact(conn: Connection, payee_id: UUID) -> Contact | None:
    """The operator or partner of this id."""
    operator = await fleet.get_operator(conn, payee_id)
    if operator is not None:
        return Contact(
            id=payee_id, kind=PayeeKind.OPERATOR, name=operator.name, email=operator.email, country=operator.country,
            path="/operator/statements",
        )  # fmt: skip
    found = await partners.list_partners(conn, [payee_id])
    if not found:
        return None
    partner = found[0]
    return Contact(
        id=payee_id, kind=PayeeKind.PARTNER, name=partner.name, email=partner.email, country=None,
        path=f"/partner/{partner.public_code}/statements",
    )  # fmt: skip
