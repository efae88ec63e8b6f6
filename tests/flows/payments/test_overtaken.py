"""An attempt so slow that a look-up has taken the payment over meanwhile: it charges nothing more and has nothing to say."""

import asyncio
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from app.domain.payments.gateway import IntentState, PaymentGateway
from app.flows.cancel_trip import cancel_trip
from tests.support.ledgers import charges_at_stripe
from tests.support.riders import between, charge_with, later, set_decline_rate, states, tipped
from tests.support.service import Service

TWO_DAYS, A_MINUTE = timedelta(hours=49), timedelta(seconds=61)


async def test_an_attempt_overtaken_before_its_confirmation_takes_no_money_of_a_trip_cancelled_since(service: Service) -> None:
    trip, placed = await tipped(service)
    await set_decline_rate(service, 1.0)
    await service.work("charge_payment")
    await service.jump(TWO_DAYS)

    async def all_that_happens_meanwhile() -> None:
        await later(service, TWO_DAYS + A_MINUTE)
        assert await states(service, placed) == ["retryable"]
        await cancel_trip(service.pool, UUID(trip["id"]), actor="organiser", reason="no bus")
        await set_decline_rate(service, 0.0)

    await charge_with(service, placed, between(service, "fetch_payment_intent", all_that_happens_meanwhile))
    assert await states(service, placed) == ["void"]
    assert await charges_at_stripe(service, placed) == []


class Holding:
    """A gateway that keeps the answer to a confirmation, good or bad, to itself until it may speak."""

    def __init__(self, gateway: PaymentGateway) -> None:
        self._gateway = gateway
        self.asked, self.may_speak = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    async def confirm_payment_intent(self, *args: Any, **wanted: Any) -> IntentState:
        try:
            return await self._gateway.confirm_payment_intent(*args, **wanted)
        finally:
            self.asked.set()
            await self.may_speak.wait()


async def test_the_late_failure_of_an_attempt_does_not_end_the_one_that_took_over(service: Service) -> None:
    _, placed = await tipped(service)
    await set_decline_rate(service, 1.0)
    holding = Holding(service.stripe.gateway)
    first = asyncio.create_task(charge_with(service, placed, cast("PaymentGateway", holding)))
    await holding.asked.wait()
    await later(service, A_MINUTE)
    assert await states(service, placed) == ["retryable"]
    await service.jump(A_MINUTE + TWO_DAYS)
    await set_decline_rate(service, 0.0)

    async def first_is_heard() -> None:
        holding.may_speak.set()
        await first
        assert await states(service, placed) == ["submitting"]

    await charge_with(service, placed, between(service, "fetch_payment_intent", first_is_heard))
    assert await states(service, placed) == ["succeeded"]
    assert len(await charges_at_stripe(service, placed)) == 1
