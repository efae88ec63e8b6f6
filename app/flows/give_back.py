"""Letting pledges go with everything they paid: refunds become due, what waits is void, cards are forgotten."""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

from app.core.database import Connection
from app.core.jobs import enqueue_for
from app.core.live import tell
from app.domain.payments import store as payments
from app.domain.payments.model import WAITING
from app.domain.payments.service import let_go, refund_rest
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips import store as trips


async def give_back_within(conn: Connection, gone: Sequence[Pledge], *, reason: str) -> dict[UUID, int]:
    """Refunds paid pledges in full and releases the others. Their trips and they are locked; a second call does nothing.

    A charge under way settles first and is refunded then (settle_payment). Returns the amount refunded per pledge.
    """
    paid = [pledge for pledge in gone if pledge.state is PledgeState.PAID]
    unpaid = [pledge for pledge in gone if pledge.state in {PledgeState.PENDING_CARD, PledgeState.ACTIVE, PledgeState.CONFIRMED}]
    charges = await payments.lock_payments_of(conn, [pledge.id for pledge in gone])
    await let_go(conn, [payment for payment in charges if payment.state in WAITING])
    refunded = await refund_rest(conn, charges, reason)
    await pledges.set_pledge_states(conn, [pledge.id for pledge in paid], come_from=[PledgeState.PAID], go_to=PledgeState.REFUNDED)
    await pledges.set_pledge_states(
        conn,
        [pledge.id for pledge in unpaid],
        come_from=[PledgeState.PENDING_CARD, PledgeState.ACTIVE, PledgeState.CONFIRMED],
        go_to=PledgeState.RELEASED,
    )
    await enqueue_for(conn, "detach_card", [pledge.id for pledge in unpaid])
    await free_people(conn, [*paid, *unpaid])
    by_payment = {payment.id: payment.reference for payment in charges}
    per_pledge: dict[UUID, int] = defaultdict(int)
    for payment_id, amount_minor in refunded.items():
        per_pledge[by_payment[payment_id]] += amount_minor
    return dict(per_pledge)


async def free_people(conn: Connection, gone: Sequence[Pledge]) -> None:
    """Takes people off the counters of their trips."""
    held: dict[UUID, int] = defaultdict(int)
    secured: dict[UUID, int] = defaultdict(int)
    for pledge in gone:
        counter = held if pledge.state is PledgeState.PENDING_CARD else secured
        counter[pledge.trip_id] += pledge.people
    for trip_id in sorted({*held, *secured}):
        await trips.move_people(conn, trip_id, held=-held[trip_id], secured=-secured[trip_id])
        await tell(conn, "trip", trip_id)
    for pledge in gone:
        await tell(conn, "pledge", pledge.id)
