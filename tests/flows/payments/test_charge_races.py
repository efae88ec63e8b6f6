"""One charge and two workers at once; and the same with its guards switched off, which must go wrong."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest_asyncio

from app.core.database import Pool
from app.domain.payments.gateway import IntentState, PaymentGateway
from app.domain.payments.model import PaymentState
from app.flows.charge_payment import charge_payment
from tests.support.forgetful_bank import PATIENCE_S
from tests.support.paid_pledges import FARE_MINOR, counted, fare_of, now, violated
from tests.support.races import Race, without
from tests.support.server import ScratchDatabase
from tests.support.threshold import on_sale

CLAIMED = "UPDATE payments SET state = 'submitting'"
CLAIMABLE = without("AND state = ANY($2::text[]) AND (NOT $3::boolean OR state = 'due' OR next_attempt_at <= busload_now())")
STILL_ITS_ATTEMPT = without("AND attempts = $3")
FIRST_INTENT_WINS = re.compile(r"coalesce\(intent_ref, (?=\$2\) WHERE)|(?<=coalesce\(intent_ref, \$2)\)(?= WHERE)")


class ForgetfulTill:
    """Stripe at its worst for a charge: keys are forgotten and no search finds what was just made, so that only our own rows decide.

    `doors`: at which calls those who ask wait for each other before anything is done.
    """

    def __init__(self, **doors: asyncio.Barrier) -> None:
        self._doors = doors
        self.intents: dict[str, IntentState] = {}

    @property
    def taken_minor(self) -> list[int]:
        """What each intent has taken from the rider's card."""
        return [intent.amount_received_minor for intent in self.intents.values()]

    async def _meet(self, call: str) -> None:
        if call in self._doors:
            async with asyncio.timeout(PATIENCE_S):
                await self._doors[call].wait()

    async def find_payment_intents(self, *, customer_ref: str, payment_id: str) -> list[IntentState]:
        assert customer_ref
        assert payment_id
        return []

    async def create_payment_intent(self, *, payment_id: str, amount_minor: int, currency: str, **_: Any) -> IntentState:
        await self._meet("create")
        made = IntentState(
            ref=f"pi_{len(self.intents)}_{payment_id}", status="requires_confirmation", amount_minor=amount_minor, amount_received_minor=0,
            currency=currency, charge_ref=None, fee_minor=None, decline_code=None, error_code=None, action_url=None, payment_id=payment_id,
        )  # fmt: skip
        self.intents[made.ref] = made
        return made

    async def fetch_payment_intent(self, ref: str) -> IntentState:
        return self.intents[ref]

    async def confirm_payment_intent(self, ref: str, **_: Any) -> IntentState:
        await self._meet("confirm")
        self.intents[ref] = msgspec.structs.replace(
            self.intents[ref],
            status="succeeded",
            amount_received_minor=self.intents[ref].amount_minor,
            charge_ref=f"ch_{ref}",
            fee_minor=100,
        )
        return self.intents[ref]


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool()


async def charged_by_two_workers(pool: Pool, till: ForgetfulTill, off: Sequence[re.Pattern[str]] = ()) -> None:
    """The fare of the pledge that tips a trip; whatever was done to it, our own rows say that it was paid once."""
    pledge = await counted(pool, await on_sale(pool, minimum=1))
    payment, gateway = await fare_of(pool, pledge.id), cast("PaymentGateway", till)
    ends = await Race(pool, at=CLAIMED, off=off).run(
        lambda one: charge_payment(one, payment.id, gateway=gateway), lambda two: charge_payment(two, payment.id, gateway=gateway)
    )
    assert ends == (None, None)
    assert ((await fare_of(pool, pledge.id)).state, (await now(pool, pledge.id)).state) == (PaymentState.SUCCEEDED, "paid")


async def test_two_workers_charge_a_fare_once(pool: Pool) -> None:
    till = ForgetfulTill()
    await charged_by_two_workers(pool, till)
    assert (till.taken_minor, await violated(pool)) == ([FARE_MINOR], set())


async def test_control_without_the_guarded_claim_alone_two_intents_are_made_and_the_attempts_number_lets_one_go_on(pool: Pool) -> None:
    till = ForgetfulTill(create=asyncio.Barrier(2))
    await charged_by_two_workers(pool, till, [CLAIMABLE])
    assert sorted(till.taken_minor) == [0, FARE_MINOR]


async def test_control_without_the_guarded_claim_and_the_one_intent_the_rider_pays_twice(pool: Pool) -> None:
    till = ForgetfulTill(create=asyncio.Barrier(2), confirm=asyncio.Barrier(2))
    await charged_by_two_workers(pool, till, [CLAIMABLE, STILL_ITS_ATTEMPT, FIRST_INTENT_WINS])
    assert till.taken_minor == [FARE_MINOR] * 2
