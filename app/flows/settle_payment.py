"""What was learnt of a charge, whoever learnt it: worker, webhook, poller and look-up all come here."""

from uuid import UUID

from app.core.audit import act_as
from app.core.database import Connection, Pool, transaction
from app.core.jobs import enqueue_for
from app.core.live import tell
from app.core.log import logger
from app.domain.payments import receipt_store as receipts
from app.domain.payments import store as payments
from app.domain.payments.model import CLOSED, IN_FLIGHT, Outcome, Payment, PaymentState
from app.domain.payments.service import apply_outcome, let_go
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips import store as trips
from app.flows.leave_by_ladder import refund_late_charge
from app.flows.tell_money import tell_charged, tell_unpaid

log = logger(__name__)
KEEPS = frozenset({PledgeState.CONFIRMED, PledgeState.PAID, PledgeState.TRAVELLED, PledgeState.NO_SHOW})


async def settle_payment(
    pool: Pool, payment_id: UUID, outcome: Outcome, *, at_bank: bool = False, attempt: int | None = None, by_hint: bool = False
) -> Payment | None:
    """Moves the payment, posts the charge, pays the pledge; refunds at once a charge whose pledge has gone meanwhile. Repeatable.

    `at_bank`: the rider is on the way to the bank's page this moment, and needs no mail that says so. `attempt`: whose outcome it is;
    that one has failed says nothing of a later one that is under way, nor of itself once a look-up has settled it. `by_hint`: a webhook or
    the poller told it. It may tell of a failure late, of one that is known or of an attempt before the one under way: such news moves only
    a charge that nobody answers for.
    """
    async with transaction(pool) as conn:
        await act_as(
            conn,
            "worker",
            f"charge {outcome.state.value}" + (f": {outcome.decline_code or outcome.error_code}" if outcome.error_code else ""),
        )
        reference = await payments.find_reference(conn, payment_id)
        trip_id = await pledges.find_trip_of(conn, reference) if reference else None
        if reference is None or trip_id is None:
            return None
        await trips.lock_trip(conn, trip_id)
        pledge = await pledges.lock_pledge(conn, reference)
        before = await payments.lock_payment(conn, payment_id)
        assert before is not None
        if outcome.state is not PaymentState.SUCCEEDED and attempt not in {None, before.attempts}:
            return before
        if outcome.state is not PaymentState.SUCCEEDED and before.state not in ({PaymentState.UNKNOWN} if by_hint else IN_FLIGHT):
            return before
        if outcome.state is PaymentState.SUCCEEDED and before.state in {PaymentState.VOID, PaymentState.ABANDONED}:
            log.error("charge.after_its_end", payment_id=str(payment_id), state=before.state.value)  # a person must give it back
        after = await apply_outcome(conn, before, outcome)
        if after.state is not before.state:
            await draw_consequence(conn, pledge, after, at_bank=at_bank)
        return after


async def draw_consequence(conn: Connection, pledge: Pledge, payment: Payment, *, at_bank: bool) -> None:
    """What the payment's new state means for its pledge, and for the rider."""
    if payment.state is PaymentState.SUCCEEDED:
        await receipts.issue_receipt(conn, pledge.id)
        if pledge.state not in KEEPS:
            await refund_late_charge(conn, pledge, payment)
            log.info("charge.refunded_at_once", payment_id=str(payment.id), pledge_state=pledge.state.value)
        else:
            if payment.purpose == "fare":
                await pledges.set_pledge_states(conn, [pledge.id], come_from=[PledgeState.CONFIRMED], go_to=PledgeState.PAID)
            await tell_charged(conn, pledge, payment)
    elif payment.state in {PaymentState.RETRYABLE, PaymentState.NEEDS_ACTION}:
        await draw_consequence_of_failure(conn, pledge, payment, at_bank=at_bank)
    await tell(conn, "pledge", pledge.id)


async def draw_consequence_of_failure(conn: Connection, pledge: Pledge, payment: Payment, *, at_bank: bool) -> None:
    """Nobody wants it any more; or another card was given while this one was asked, and is asked at once; or the rider is told."""
    if pledge.state not in KEEPS:
        await let_go(conn, [payment])
    elif payment.error_code == CLOSED:
        return  # its end has come: it is given up in a moment
    elif pledge.payment_method_ref is not None and pledge.payment_method_ref != payment.payment_method_ref:
        assert pledge.customer_ref is not None
        await payments.use_other_card(conn, payment.id, customer_ref=pledge.customer_ref, payment_method_ref=pledge.payment_method_ref)
        await enqueue_for(conn, "charge_payment", [payment.id])
    elif not at_bank:
        await tell_unpaid(conn, pledge, payment)
