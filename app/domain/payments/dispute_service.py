"""What disputes and late failures do to the ledger, inside a transaction that is given."""

from uuid import UUID

from app.core.database import Connection
from app.domain.payments import ledger
from app.domain.payments.gateway import BalanceTransaction
from app.domain.payments.model import Dispute, Payment, Refund

DISPUTED = "stripe:disputed"
DISPUTE_COSTS = "house:disputes"


async def record_movements(conn: Connection, payment: Payment, dispute: Dispute, movements: list[BalanceTransaction]) -> None:
    """Posts what a dispute has moved of our balance at Stripe, each once: withdrawn with its fee, and what came back."""
    for movement in movements:
        if movement.amount_minor < 0 or movement.fee_minor > 0:
            await _post_once(
                conn, payment, dispute, "dispute", [(DISPUTED, -movement.amount_minor), (ledger.CLEARING, movement.amount_minor)]
            )
            await _post_once(
                conn, payment, dispute, "dispute_fee", [(DISPUTE_COSTS, movement.fee_minor), (ledger.CLEARING, -movement.fee_minor)]
            )
        else:
            await _post_once(
                conn, payment, dispute, "dispute_won", [(ledger.CLEARING, movement.amount_minor), (DISPUTED, -movement.amount_minor)]
            )
            await _post_once(
                conn, payment, dispute, "dispute_fee_back", [(ledger.CLEARING, -movement.fee_minor), (DISPUTE_COSTS, movement.fee_minor)]
            )


async def record_loss(conn: Connection, payment: Payment, dispute: Dispute) -> int:
    """The bank gave the money to the rider: what was withdrawn is our cost; returns it, minor units. Nothing moves at Stripe any more."""
    withdrawn = await ledger.posted_minor(conn, kind="dispute", cause=dispute.id, account=DISPUTED)
    back = await ledger.posted_minor(conn, kind="dispute_won", cause=dispute.id, account=DISPUTED)
    lost = withdrawn + back
    await _post_once(conn, payment, dispute, "dispute_lost", [(DISPUTE_COSTS, lost), (DISPUTED, -lost)], external=False)
    return lost


async def _post_once(
    conn: Connection, payment: Payment, dispute: Dispute, kind: str, entries: list[tuple[str, int]], *, external: bool = True
) -> None:
    """One movement per kind and dispute; one of nothing is none."""
    if any(amount for _, amount in entries) and not await ledger.is_posted(conn, kind=kind, cause=dispute.id):
        await ledger.post(
            conn, kind=kind, cause=dispute.id, book=payment.book, currency=payment.currency, entries=entries,
            external_ref=dispute.dispute_ref if external else None,
        )  # fmt: skip


async def record_refund_failure(conn: Connection, payment: Payment, *, failure_id: UUID, refund_ref: str, amount_minor: int) -> None:
    """A refund came back: Stripe holds the money for us again, we hold it for the rider again."""
    await ledger.post(
        conn, kind="refund_failed", cause=failure_id, book=payment.book, currency=payment.currency, external_ref=refund_ref,
        entries=[(ledger.CLEARING, amount_minor), (ledger.FARES, -amount_minor)],
    )  # fmt: skip


async def record_elsewhere(conn: Connection, payment: Payment, refund: Refund) -> None:
    """The rider has a refund's money by another way: from our bank, or by a dispute we lost, whose cost it then was not."""
    paid_by = DISPUTE_COSTS if refund.held_by is not None else ledger.BANK
    await ledger.post(
        conn, kind="refund_elsewhere", cause=refund.id, book=payment.book, currency=payment.currency, external_ref=None,
        entries=[(ledger.FARES, refund.amount_minor), (paid_by, -refund.amount_minor)],
    )  # fmt: skip
