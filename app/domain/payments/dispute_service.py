"""What disputes and late failures do to the ledger, inside a transaction that is given."""

from uuid import UUID

from app.core.database import Connection
from app.domain.payments import ledger
from app.domain.payments.gateway import BalanceTransaction
from app.domain.payments.model import Dispute, Payment

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


async def record_loss(conn: Connection, payment: Payment, dispute: Dispute) -> None:
    """The bank gave the money to the rider: what was withdrawn is our cost. Nothing moves at Stripe any more."""
    withdrawn = await ledger.posted_minor(conn, kind="dispute", cause=dispute.id, account=DISPUTED)
    back = await ledger.posted_minor(conn, kind="dispute_won", cause=dispute.id, account=DISPUTED)
    lost = withdrawn + back
    await _post_once(conn, payment, dispute, "dispute_lost", [(DISPUTE_COSTS, lost), (DISPUTED, -lost)], external=False)


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
