"""An attempt so slow that a look-up has taken the payment over meanwhile: it charges nothing more and has nothing to say."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from app.core.audit import act_as
from app.core.database import transaction
from app.domain.payments.gateway import GatewayRefused, GatewayUnreachable, IntentState, PaymentGateway
from app.domain.payments.model import WAITING, Payment
from app.domain.payments.service import claim_attempt
from app.flows.approve_charge import approve_charge
from app.flows.cancel_trip import cancel_trip
from app.flows.charge_payment import attempt
from app.flows.look_up_payment import look_up_payment
from tests.support.ledgers import assert_sound, charges_at_stripe, payment_ids
from tests.support.riders import between, charge_with, later, payments, set_decline_rate, states, tipped
from tests.support.service import Service

TWO_DAYS, A_MINUTE, A_WEEK = timedelta(hours=49), timedelta(seconds=61), timedelta(hours=169)


async def declined_once(service: Service) -> tuple[dict[str, Any], dict[str, Any]]:
    """A trip and its only pledge, whose charge has failed and is to be tried again now; it will fail again."""
    trip, placed = await tipped(service)
    await set_decline_rate(service, 1.0)
    await service.work("charge_payment")
    await service.jump(TWO_DAYS)
    return trip, placed


async def test_an_attempt_overtaken_before_its_confirmation_takes_no_money_of_a_trip_cancelled_since(service: Service) -> None:
    trip, placed = await declined_once(service)

    async def all_that_happens_meanwhile() -> None:
        await later(service, TWO_DAYS + A_MINUTE)
        assert await states(service, placed) == ["retryable"]
        await cancel_trip(service.pool, UUID(trip["id"]), actor="organiser", reason="no bus")
        await set_decline_rate(service, 0.0)

    await charge_with(service, placed, between(service, "fetch_payment_intent", all_that_happens_meanwhile))
    await service.work()
    assert await states(service, placed) == ["void"]
    assert await charges_at_stripe(service, placed) == []


class SlowToConfirm:
    """A gateway before whose confirmations something else happens."""

    def __init__(self, gateway: PaymentGateway, act: Callable[[], Awaitable[object]]) -> None:
        self._gateway, self._act = gateway, act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    async def confirm_payment_intent(self, *args: Any, **wanted: Any) -> IntentState:
        await self._act()
        return await self._gateway.confirm_payment_intent(*args, **wanted)


@pytest.mark.parametrize("closed", [True, False], ids=["closed by then", "not closed yet"])
@pytest.mark.parametrize("end", ["trip cancelled", "window over"])
async def test_a_confirmation_that_arrives_after_its_charge_was_let_go_takes_no_money_for_good(
    service: Service, end: str, *, closed: bool
) -> None:
    trip, placed = await declined_once(service)

    async def all_that_happens_meanwhile() -> None:
        await later(service, TWO_DAYS + A_MINUTE)
        assert await states(service, placed) == ["retryable"], "as the attempt before it"
        if end == "trip cancelled":
            await cancel_trip(service.pool, UUID(trip["id"]), actor="organiser", reason="no bus")
        else:
            await service.jump(A_WEEK)
            await service.sweep()
        assert await states(service, placed) == ["submitting"]
        if closed:
            await service.work("close_charge")
        await set_decline_rate(service, 0.0)

    slow = SlowToConfirm(service.stripe.gateway, all_that_happens_meanwhile)
    await charge_with(service, placed, cast("PaymentGateway", slow))
    await service.work()
    if end == "window over":
        await later(service, A_WEEK + A_MINUTE)
    took = await charges_at_stripe(service, placed)
    shown = await service.show(placed)
    if closed:
        assert (took, shown["state"]) == ([], "released" if end == "trip cancelled" else "dropped")
        assert await states(service, placed) == ["void" if end == "trip cancelled" else "abandoned"]
    else:
        assert (len(took), await states(service, placed)) == (1, ["succeeded"])
        assert [refund["amount_minor"] for refund in shown["refunds"]] == ([3200] if end == "trip cancelled" else [])
        assert shown["state"] == ("released" if end == "trip cancelled" else "paid"), "who has paid in the end keeps the seats"
    await assert_sound(service.pool)


async def claimed(service: Service, placed: dict[str, Any]) -> Payment:
    """The pledge's charge, taken by a worker that has not come further."""
    (payment_id,) = await payment_ids(service.pool, placed)
    async with transaction(service.pool) as conn:
        await act_as(conn, "worker", "charge")
        payment = await claim_attempt(conn, payment_id, sorted(WAITING))
    assert payment is not None
    return payment


async def test_a_look_up_that_found_no_intent_closes_no_attempt_that_has_made_one_since(service: Service) -> None:
    trip, placed = await tipped(service)
    payment = await claimed(service, placed)
    await service.jump(A_MINUTE)
    confirms, may_confirm = asyncio.Event(), asyncio.Event()
    others: list[asyncio.Task[None]] = []

    async def wait() -> None:
        confirms.set()
        await may_confirm.wait()

    async def another_takes_over() -> None:
        slow = cast("PaymentGateway", SlowToConfirm(service.stripe.gateway, wait))
        others.append(asyncio.create_task(look_up_payment(service.pool, payment.id, gateway=slow)))
        await confirms.wait()
        await cancel_trip(service.pool, UUID(trip["id"]), actor="organiser", reason="no bus")

    await look_up_payment(service.pool, payment.id, gateway=between(service, "find_payment_intents", another_takes_over))
    assert await states(service, placed) == ["submitting"]
    may_confirm.set()
    await asyncio.gather(*others)
    await service.work()
    assert await states(service, placed) == ["succeeded"]
    assert [refund["amount_minor"] for refund in (await service.show(placed))["refunds"]] == [3200]
    await assert_sound(service.pool)


class Holding:
    """A gateway that keeps the answer to one kind of call, good or bad, to itself until it may speak."""

    def __init__(self, gateway: PaymentGateway, call: str) -> None:
        self._gateway, self._call = gateway, call
        self.asked, self.may_speak = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._gateway, name)
        return call if name != self._call else lambda *args, **wanted: self._hold(call(*args, **wanted))

    async def _hold(self, asking: Awaitable[IntentState]) -> IntentState:
        try:
            return await asking
        finally:
            self.asked.set()
            await self.may_speak.wait()


async def charge(service: Service, placed: dict[str, Any], gateway: PaymentGateway) -> None:
    """The worker's attempt."""
    await charge_with(service, placed, gateway)


async def approve(service: Service, placed: dict[str, Any], gateway: PaymentGateway) -> None:
    """The rider's attempt, after the worker's has failed."""
    await service.work("charge_payment")
    await approve_charge(service.pool, UUID(placed["pledge"]["id"]), gateway=gateway, return_url="http://localhost/back")


async def look_up(service: Service, placed: dict[str, Any], gateway: PaymentGateway) -> None:
    """The look-up of an attempt that has failed and whose worker died of it."""
    payment = await claimed(service, placed)
    await attempt(service.pool, payment, gateway=service.stripe.gateway)
    await service.jump(A_MINUTE)
    await look_up_payment(service.pool, payment.id, gateway=gateway)


@pytest.mark.parametrize(
    ("first_try", "slow_call"),
    [(charge, "confirm_payment_intent"), (approve, "confirm_payment_intent"), (look_up, "fetch_payment_intent")],
    ids=["worker", "rider", "look-up"],
)
async def test_the_late_failure_of_an_attempt_does_not_end_the_one_that_took_over(
    service: Service, first_try: Callable[[Service, dict[str, Any], PaymentGateway], Awaitable[None]], slow_call: str
) -> None:
    _, placed = await tipped(service)
    await set_decline_rate(service, 1.0)
    holding = Holding(service.stripe.gateway, slow_call)
    first = asyncio.ensure_future(first_try(service, placed, cast("PaymentGateway", holding)))
    await holding.asked.wait()
    await later(service, 2 * A_MINUTE)
    assert await states(service, placed) == ["retryable"]
    await service.jump(2 * A_MINUTE + TWO_DAYS)
    await set_decline_rate(service, 0.0)

    async def first_is_heard() -> None:
        holding.may_speak.set()
        await first
        assert await states(service, placed) == ["submitting"]

    await charge_with(service, placed, between(service, "fetch_payment_intent", first_is_heard))
    assert await states(service, placed) == ["succeeded"]
    assert len(await charges_at_stripe(service, placed)) == 1


class Losing(Holding):
    """The same, whose answer is lost in the end."""

    async def _hold(self, asking: Awaitable[IntentState]) -> IntentState:
        with suppress(GatewayRefused):
            await super()._hold(asking)
        raise GatewayUnreachable("the answer was lost", answered=False)


async def test_an_attempt_whose_answer_is_lost_after_its_look_up_has_settled_it_changes_nothing(service: Service) -> None:
    _, placed = await tipped(service)
    await set_decline_rate(service, 1.0)
    losing = Losing(service.stripe.gateway, "confirm_payment_intent")
    first = asyncio.ensure_future(charge(service, placed, cast("PaymentGateway", losing)))
    await losing.asked.wait()
    await later(service, A_MINUTE)
    assert await states(service, placed) == ["retryable"]
    losing.may_speak.set()
    await first
    assert [(payment.state, payment.attempts) for payment in await payments(service, placed)] == [("retryable", 1)]
