"""An operator pulls out of a duty it has accepted."""

from uuid import UUID

from app.core.audit import act_as, record_change
from app.core.clock import busload_now
from app.core.database import Pool, transaction
from app.core.errors import Conflict
from app.domain.dispatch.model import Offer, OfferState, pull_out_fee_minor
from app.domain.dispatch.store import offers, plans
from app.domain.manifests.day_store import list_closed_duties
from app.domain.payments.payouts.model import DebtKind
from app.domain.payments.payouts.service import owe_us
from app.flows.answer_offer import lock_offer_within, read_offer, tell_answer
from app.flows.seats_lost import seats_lost_within


async def pull_out(pool: Pool, offer_id: UUID, *, note: str, actor: str) -> Offer:
    """`accepted -> failed`, its people lose their seats and are planned for again; what it costs by the ladder is owed from now on.

    Raises NotFound, Conflict `offer_not_accepted` or `duty_started`.
    """
    async with transaction(pool) as conn:
        await act_as(conn, actor, "operator pulled out")
        event, offer = await lock_offer_within(conn, offer_id)
        now = await busload_now(conn)
        if offer.state is not OfferState.ACCEPTED:
            raise Conflict("Only an accepted duty can be pulled out of. Decline the offer instead.", code="offer_not_accepted")
        if now >= offer.starts_at or await list_closed_duties(conn, [offer.duty_id]):
            raise Conflict("This duty has begun. Call the dispatcher.", code="duty_started")
        duty = await plans.get_duty(conn, offer.duty_id)
        assert duty is not None, "an offer has a duty"
        await offers.fail_offer(conn, offer.id, note=note)
        fee_minor = pull_out_fee_minor(price_minor=offer.price_minor, starts_at=offer.starts_at, now=now)
        await record_change(conn, "offer", offer.id, OfferState.FAILED.value, {"pull_out_fee_minor": fee_minor, "currency": offer.currency})
        await owe_us(
            conn, payee_id=offer.operator_id, book=event.book, currency=offer.currency, kind=DebtKind.PULL_OUT, cause=offer.id,
            amount_minor=fee_minor,
        )  # fmt: skip
        await seats_lost_within(conn, event, duty, offer_code=offer.public_code)
        await tell_answer(conn, offer)
        return await read_offer(conn, offer.id)
