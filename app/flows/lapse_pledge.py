"""A hold runs out: final only once Stripe says the card page has ended, so that no saved card is lost in between."""

from datetime import timedelta
from uuid import UUID

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.jobs import enqueue_for
from app.core.live import tell
from app.core.log import logger
from app.core.timers import set_timer
from app.domain.notifications.service import queue_mail
from app.domain.payments.gateway import GatewayError, PaymentGateway
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.pledges.waitlist_store import is_offer
from app.domain.trips import store as trips
from app.flows.card_saved import card_saved

log = logger(__name__)
ASK_AGAIN = timedelta(minutes=1)


async def end_hold(pool: Pool, pledge_id: UUID, *, gateway: PaymentGateway) -> None:
    """Closes the card page of a hold that is over, counts a card that was saved in time, else lapses the pledge."""
    async with transaction(pool) as conn:
        pledge = await pledges.get_pledge(conn, pledge_id)
    if pledge is None or pledge.state is not PledgeState.PENDING_CARD:
        return
    if pledge.setup_session_ref is not None:
        try:
            outcome = await gateway.expire_session(pledge.setup_session_ref)
        except GatewayError as error:
            log.warning("hold.card_page_unknown", pledge_id=str(pledge_id), error=type(error).__name__)
            await ask_again(pool, pledge_id)
            return
        await card_saved(pool, pledge_id, outcome)
    await lapse_pledge(pool, pledge_id)


async def ask_again(pool: Pool, pledge_id: UUID) -> None:
    """Nobody could say whether a card was saved: the seats stay held a minute longer."""
    async with transaction(pool) as conn:
        until = await busload_now(conn) + ASK_AGAIN
        await pledges.extend_hold(conn, pledge_id, until)
        await set_timer(conn, "pledge_hold", pledge_id, until)


async def lapse_pledge(pool: Pool, pledge_id: UUID) -> bool:
    """`pending_card -> lapsed` when its hold is over: the seats are free again. False when there was nothing to lapse."""
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "the card was not saved in time")
        trip_id = await pledges.find_trip_of(conn, pledge_id)
        trip = await trips.lock_trip(conn, trip_id) if trip_id else None
        if trip is None:
            return False
        pledge = await pledges.lock_pledge(conn, pledge_id)
        over = pledge.hold_expires_at is not None and pledge.hold_expires_at <= await busload_now(conn)
        if pledge.state is not PledgeState.PENDING_CARD or not over:
            return False
        await pledges.set_pledge_states(conn, [pledge.id], come_from=[PledgeState.PENDING_CARD], go_to=PledgeState.LAPSED)
        await trips.move_people(conn, trip.id, held=-pledge.people)
        if pledge.payment_method_ref is not None:  # saved in time, but the trip took nobody any more
            await enqueue_for(conn, "detach_card", [pledge.id])
        await tell_lapse(conn, pledge, trip.origin, trip.public_code)
        await tell(conn, "trip", trip.id)
        await tell(conn, "pledge", pledge.id)
        return True


async def tell_lapse(conn: Connection, pledge: Pledge, origin: str, trip_code: str) -> None:
    """The rider learns that the seats went back on sale, or to the next in line."""
    template = "waitlist_expired" if await is_offer(conn, pledge.id) else "pledge_lapsed"
    await queue_mail(
        conn, dedupe_key=f"pledge-lapsed:{pledge.id}", recipient=pledge.email, template=template, locale=pledge.locale,
        subject_id=pledge.id, data={"name": pledge.name, "code": pledge.public_code, "origin": origin, "trip": trip_code},
    )  # fmt: skip
