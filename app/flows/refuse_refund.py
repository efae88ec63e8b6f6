"""A refund that was under way when its charge was disputed, and that Stripe has refused since: it waits for the bank's decision too."""

from app.core.database import Connection
from app.domain.payments import dispute_store as disputes
from app.domain.payments import refund_store
from app.domain.payments.model import DisputeState, Payment
from app.flows.settle_elsewhere import settle_elsewhere_within

BY_BANK = "given back by the rider's bank, which decided the dispute for the rider"


async def hold_refused_within(conn: Connection, payment: Payment) -> None:
    """Failed refunds of a charge whose dispute is known wait for it like those that were due then; its payment is locked.

    Is the dispute lost already, the rider has the money, as far as the disputed amount goes. A dispute that is not known yet holds them
    when it is learnt of.
    """
    standing = [one for one in await disputes.list_disputes_of(conn, [payment.id]) if one.state is not DisputeState.WON]
    if not standing:
        return
    dispute = max(standing, key=lambda one: one.id)
    held = await disputes.hold_refunds(conn, payment.id, dispute.id)
    if dispute.state is not DisputeState.LOST:
        return
    refunds = await refund_store.list_refunds_of(conn, [payment.id])
    rest_minor = dispute.amount_minor - sum(
        one.amount_minor for one in refunds if one.held_by == dispute.id and one.elsewhere_at is not None
    )
    for refund in [one for one in refunds if one.id in held]:
        if refund.amount_minor <= rest_minor and await settle_elsewhere_within(conn, payment, refund.id, note=BY_BANK) is not None:
            rest_minor -= refund.amount_minor
