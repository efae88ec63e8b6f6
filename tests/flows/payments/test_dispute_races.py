"""A charge is contested while something else happens to its money; and each time the same with its guard off, which must go wrong."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NoReturn, cast
from uuid import UUID

import pytest
import pytest_asyncio

from app.core.database import Pool
from app.domain.payments.gateway import BalanceTransaction, DisputeState, GatewayRefused, PaymentGateway
from app.domain.payments.model import Payment
from app.flows.cancel_trip import cancel_trip
from app.flows.learn_of_dispute import settle_dispute
from app.flows.send_refund import send_refund
from tests.support.forgetful_bank import ForgetfulBank
from tests.support.paid_pledges import FARE_MINOR, fare_of, paid, violated
from tests.support.races import LOCKS, Race, without
from tests.support.server import ScratchDatabase
from tests.support.threshold import Sale, on_sale

NEVER = datetime(2100, 1, 1, tzinfo=UTC)
DISPUTE_READ = "FROM disputes WHERE dispute_ref = $1"
HELD = "UPDATE refunds SET held_by = $2"


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool()


def news(payment: Payment, status: Literal["open", "under_review", "won", "lost"]) -> DisputeState:
    """What Stripe shows of the one dispute of a charge."""
    assert payment.charge_ref is not None
    went = movement("txn_1", -FARE_MINOR, fee_minor=2000)
    came = [movement("txn_2", FARE_MINOR, fee_minor=0)] if status == "won" else []
    return DisputeState(
        ref="dp_1", status=status, amount_minor=FARE_MINOR, currency="usd", reason="product_not_received", intent_ref=payment.intent_ref,
        charge_ref=payment.charge_ref, evidence_due_at=NEVER, submissions=0, movements=[went, *came],
    )  # fmt: skip


def movement(ref: str, amount_minor: int, *, fee_minor: int) -> BalanceTransaction:
    return BalanceTransaction(
        ref=ref, type="adjustment", amount_minor=amount_minor, fee_minor=fee_minor, net_minor=amount_minor - fee_minor, currency="usd",
        source_ref="dp_1", source_reference=None, charge_ref=None, created_at=NEVER,
    )  # fmt: skip


async def charged(pool: Pool) -> tuple[Sale, Payment]:
    """A trip whose only pledge has paid."""
    sale = await on_sale(pool, minimum=1)
    (pledge,) = await paid(pool, sale, people=1)
    return sale, await fare_of(pool, pledge.id)


async def cancel(pool: Pool, sale: Sale) -> None:
    await cancel_trip(pool, sale.trip_id, actor="organiser", reason="no bus")


async def withdrawn_minor(pool: Pool) -> int:
    found: int = await pool.fetchval("SELECT coalesce(sum(amount_minor), 0)::bigint FROM ledger_entries WHERE account = 'stripe:disputed'")
    return found


async def refund(pool: Pool) -> tuple[UUID, bool]:
    """The only refund, and whether a dispute holds it."""
    row = await pool.fetchrow("SELECT id, held_by IS NOT NULL AS held FROM refunds")
    assert row is not None
    return row["id"], row["held"]


async def heard_twice(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> int:
    """The same news by webhook and by poller; how many disputes are known then."""
    _, payment = await charged(pool)
    found = news(payment, "open")
    ends = await Race(pool, at=DISPUTE_READ, off=off).run(
        lambda one: settle_dispute(one, payment.id, found), lambda two: settle_dispute(two, payment.id, found)
    )
    assert ends == (None, None)
    known: int = await pool.fetchval("SELECT count(*) FROM disputes")
    return known


async def test_the_same_news_in_two_workers_is_one_dispute_and_is_posted_once(pool: Pool) -> None:
    assert (await heard_twice(pool), await withdrawn_minor(pool)) == (1, FARE_MINOR)
    assert await violated(pool) == set()


async def test_control_without_locks_and_the_unique_key_it_is_two_disputes_and_costs_twice(pool: Pool) -> None:
    await pool.execute("ALTER TABLE disputes DROP CONSTRAINT disputes_dispute_ref_key")
    assert (await heard_twice(pool, [LOCKS]), await withdrawn_minor(pool)) == (2, 2 * FARE_MINOR)


async def old_news_with_the_verdict(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> bool:
    """A refund waits for a dispute; one worker has news from before the verdict, another one the verdict. Whether it waits on."""
    sale, payment = await charged(pool)
    await settle_dispute(pool, payment.id, news(payment, "open"))
    await cancel(pool, sale)
    assert (await refund(pool))[1]
    ends = await Race(pool, at=DISPUTE_READ, off=off).run(
        lambda old: settle_dispute(old, payment.id, news(payment, "open")),
        lambda new: settle_dispute(new, payment.id, news(payment, "won")),
    )
    assert ends == (None, None)
    return (await refund(pool))[1]


async def test_old_news_beside_the_verdict_holds_no_refund_back(pool: Pool) -> None:
    assert await old_news_with_the_verdict(pool) is False
    assert await violated(pool) == set()


async def test_control_without_the_locks_a_refund_waits_for_ever_for_a_dispute_that_was_won(pool: Pool) -> None:
    assert await old_news_with_the_verdict(pool, [LOCKS]) is True


async def disputed_as_it_is_sent(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> ForgetfulBank:
    """A worker takes a refund that is due while its charge turns out to be disputed; in the end the dispute is lost."""
    sale, payment = await charged(pool)
    await cancel(pool, sale)
    refund_id, bank = (await refund(pool))[0], ForgetfulBank()
    ends = await Race(pool, at=HELD, off=off).run(
        lambda stripe: settle_dispute(stripe, payment.id, news(payment, "open")),
        lambda worker: send_refund(worker, refund_id, gateway=cast("PaymentGateway", bank)),
    )
    assert ends == (None, None)
    await settle_dispute(pool, payment.id, news(payment, "lost"))
    return bank


async def test_a_refund_is_not_sent_as_its_charge_is_disputed_and_lost(pool: Pool) -> None:
    bank = await disputed_as_it_is_sent(pool)
    assert (bank.refunds, await violated(pool)) == ([], set())


async def test_control_without_the_claims_guard_the_rider_has_the_money_from_us_and_from_the_bank(pool: Pool) -> None:
    bank = await disputed_as_it_is_sent(pool, [without("AND held_by IS NULL")])
    assert ([one.amount_minor for one in bank.refunds], await withdrawn_minor(pool)) == ([FARE_MINOR], 0), "the dispute is lost too"


async def due_as_it_is_disputed(pool: Pool, off: Sequence[re.Pattern[str]] = ()) -> bool:
    """A refund becomes due in the moment in which the charge's dispute is written down; whether the dispute holds it."""
    sale, payment = await charged(pool)
    await Race(pool, at=HELD, off=off).run(
        lambda stripe: settle_dispute(stripe, payment.id, news(payment, "open")), lambda staff: cancel(staff, sale)
    )
    return (await refund(pool))[1]


async def test_a_refund_that_becomes_due_as_its_charge_is_disputed_is_held(pool: Pool) -> None:
    assert await due_as_it_is_disputed(pool) is True
    assert await violated(pool) == set()


async def test_control_without_the_locks_it_slips_through_and_will_be_sent(pool: Pool) -> None:
    assert await due_as_it_is_disputed(pool, [LOCKS]) is False


class Contested:
    """A gateway that hears a dispute's news while it is asked for a refund, and refuses it for that."""

    def __init__(self, pool: Pool, payment: Payment, told: Sequence[Literal["open", "lost"]]) -> None:
        self._pool, self._payment, self._told = pool, payment, told

    async def create_refund(self, **_: object) -> NoReturn:
        for status in self._told:
            await settle_dispute(self._pool, self._payment.id, news(self._payment, status))
        raise GatewayRefused("The charge is disputed.", code="charge_disputed")


@pytest.mark.parametrize(("told", "later"), [(["open"], ["lost"]), (["open", "lost"], [])])
async def test_a_refund_refused_because_its_charge_was_disputed_meanwhile_waits_for_the_verdict(
    pool: Pool, told: list[Literal["open", "lost"]], later: list[Literal["open", "lost"]]
) -> None:
    sale, payment = await charged(pool)
    await cancel(pool, sale)
    refund_id, _ = await refund(pool)
    await send_refund(pool, refund_id, gateway=cast("PaymentGateway", Contested(pool, payment, told)))
    assert await refund(pool) == (refund_id, True)
    for status in later:
        await settle_dispute(pool, payment.id, news(payment, status))
    assert await pool.fetchval("SELECT state = 'failed' AND elsewhere_at IS NOT NULL FROM refunds")
    assert await violated(pool) == set()
