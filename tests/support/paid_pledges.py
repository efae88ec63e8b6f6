"""Pledges brought to a state without web and Stripe, by the flows themselves: counted, charged, declined."""

from datetime import datetime, timedelta
from uuid import UUID

from app.core.clock import shift_clock
from app.core.database import Pool, transaction
from app.domain.payments import store as payments
from app.domain.payments.model import Outcome, Payment, PaymentState
from app.domain.payments.service import claim_attempt
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge
from app.flows.card_saved import card_saved
from app.flows.invariants import find_violations
from app.flows.settle_payment import settle_payment
from tests.support.threshold import Sale, place, saved_card

FARE_MINOR = 3200  # of tests.support.service.trip_wish


async def counted(pool: Pool, sale: Sale, *, seats: int = 1) -> Pledge:
    """Somebody new whose card is saved; may be the one who tips the trip."""
    placed = await place(pool, sale, seats=seats)
    await card_saved(pool, placed.pledge.id, saved_card(placed.pledge.id))
    return await now(pool, placed.pledge.id)


async def now(pool: Pool, pledge_id: UUID) -> Pledge:
    """The pledge as it is now."""
    async with pool.acquire() as conn:
        pledge = await pledges.get_pledge(conn, pledge_id)
    assert pledge is not None
    return pledge


async def fare_of(pool: Pool, pledge_id: UUID) -> Payment:
    """The one charge of a pledge."""
    async with pool.acquire() as conn:
        (payment,) = await payments.list_payments_of(conn, [pledge_id])
    return payment


async def settle(pool: Pool, pledge_id: UUID, state: PaymentState) -> Payment:
    """An attempt on the pledge's charge, and what came of it; the queued job is done with it."""
    due = await fare_of(pool, pledge_id)
    async with transaction(pool) as conn:
        claimed = await claim_attempt(conn, due.id, [PaymentState.DUE])
        await conn.execute("DELETE FROM pgqueuer WHERE entrypoint = 'charge_payment' AND payload = uuid_send($1)", due.id)
    assert claimed is not None
    took = state is PaymentState.SUCCEEDED
    outcome = Outcome(
        state=state, intent_ref=f"pi_{due.id}", charge_ref=f"ch_{due.id}" if took else None, fee_minor=100 if took else None,
        error_code="" if took else "card_declined", decline_code="" if took else "generic_decline",
    )  # fmt: skip
    settled = await settle_payment(pool, due.id, outcome)
    assert settled is not None
    return settled


async def paid(pool: Pool, sale: Sale, *, people: int) -> list[Pledge]:
    """So many pledges of one person on a trip that they confirm, their charges through."""
    placed = [await counted(pool, sale) for _ in range(people)]
    for pledge in placed:
        await settle(pool, pledge.id, PaymentState.SUCCEEDED)
    return [await now(pool, pledge.id) for pledge in placed]


async def set_clock(pool: Pool, moment: datetime, *, past_s: float = 1.0) -> None:
    """The service's clock shows a moment, and a little more."""
    async with transaction(pool) as conn:
        real: datetime = await conn.fetchval("SELECT clock_timestamp()")
        await shift_clock(conn, moment - real + timedelta(seconds=past_s))


async def mailed(pool: Pool, template: str) -> list[str]:
    """Who was sent a mail of this kind, in order."""
    rows = await pool.fetch("SELECT recipient::text FROM mails WHERE template = $1 ORDER BY id", template)
    return [row["recipient"] for row in rows]


async def states(pool: Pool) -> list[str]:
    """The states of all pledges, the oldest first."""
    return [row["state"] for row in await pool.fetch("SELECT state FROM pledges ORDER BY id")]


async def violated(pool: Pool) -> set[str]:
    """The numbers of the invariants that do not hold, such as `I06`; {} when all do."""
    async with pool.acquire() as conn:
        return {name.split()[0] for name in await find_violations(conn)}
