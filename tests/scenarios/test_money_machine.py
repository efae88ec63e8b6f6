"""Riders, cards, workers, Stripe and the clock in any order: whatever they do, no money is lost, doubled or unaccounted for.

BUSLOAD_MONEY_EXAMPLES=500 runs so many random examples instead of the few fixed ones; a failing sequence is printed step by step.
"""

import asyncio
import os
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.flows.approve_charge import approve_charge, look_at_charge
from app.flows.cancel_trip import cancel_trip
from app.flows.change_pledge import PledgeChange, change_pledge
from app.flows.close_booking import dispatch_event
from app.flows.withdraw_pledge import withdraw_pledge
from tests.support.money_desk import Desk, Rider, Stage, TripOnSale

EXAMPLES = int(os.environ.get("BUSLOAD_MONEY_EXAMPLES", "12"))
STEPS = 25
GOOD = "4242424242424242"
CARDS = st.sampled_from([GOOD, GOOD, GOOD, "4000000000000341", "4000002760003184", "4000002500003155"])
ENDPOINTS = st.sampled_from(["POST /v1/payment_intents", "POST /v1/payment_intents/{intent}/confirm", "POST /v1/refunds"])
FAULTS = st.sampled_from(["server_error", "server_error_after_effect", "lost_reply", "cut_before_effect", "rate_limited"])
CALLS = st.sampled_from(["create_payment_intent", "confirm_payment_intent", "create_refund", "cancel_payment_intent"])
A_MINUTE = timedelta(seconds=61)  # after which somebody looks for an answer
TIMES = st.sampled_from(
    [A_MINUTE, A_MINUTE, A_MINUTE, timedelta(minutes=16), timedelta(hours=25), timedelta(hours=49), timedelta(days=4), timedelta(days=8)]
)
NOT_WORTH_A_LOOK = 3  # steps between full checks: each reads every table


class MoneyMachine(RuleBasedStateMachine):
    """One example: two trips, whoever pledges, and everything that may happen to them."""

    stage: ClassVar[Stage]
    riders = Bundle("riders")
    trips = Bundle("trips")

    def __init__(self) -> None:
        super().__init__()
        self.desk: Desk = self.stage.run(Desk.open(self.stage))
        self.steps = 0
        self.first_riders: list[Rider] = []

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """A step on the test's own loop."""
        self.steps += 1
        return self.stage.run(work)

    @initialize(target=trips, minimum=st.integers(1, 4), seats=st.lists(st.integers(1, 2), min_size=2, max_size=3))
    def open_trips(self, minimum: int, seats: list[int]) -> Any:
        first = self.run(self.desk.open_trip("USD", minimum=minimum, cap=12, tiers=[(4, 2600), (7, 1900)]))
        second = self.run(self.desk.open_trip("EUR", minimum=1, cap=6, tiers=[]))
        self.first_riders = [self.run(self.settle_in(first, many)) for many in seats]
        return multiple(first, second)

    async def settle_in(self, trip: TripOnSale, seats: int) -> Rider:
        """Somebody whose card is good."""
        rider = await self.desk.place(trip, seats=seats)
        assert rider is not None
        await self.desk.type_card(rider, GOOD, returns=True)
        return rider

    @rule(target=riders)
    def somebody_who_is_there_already(self) -> Any:
        return self.first_riders.pop() if self.first_riders else multiple()

    @rule(target=riders, trip=trips, seats=st.integers(1, 3), card=CARDS, returns=st.booleans())
    def pledge(self, trip: TripOnSale, seats: int, card: str, returns: bool) -> Any:  # noqa: FBT001
        rider = self.run(self.desk.place(trip, seats=seats))
        if rider is None:
            return multiple()
        self.run(self.desk.type_card(rider, card, returns=returns))
        return rider

    @rule(target=riders, trip=trips, seats=st.integers(1, 3))
    def pledge_and_dawdle(self, trip: TripOnSale, seats: int) -> Any:
        rider = self.run(self.desk.place(trip, seats=seats))
        return multiple() if rider is None else rider

    @rule(rider=riders, card=CARDS, returns=st.booleans())
    def type_another_card(self, rider: Rider, card: str, returns: bool) -> None:  # noqa: FBT001
        self.run(self.desk.type_card(rider, card, returns=returns))

    @rule()
    def work(self) -> None:
        self.run(self.desk.work(20))

    @rule(endpoint=ENDPOINTS, fault=FAULTS, most=st.integers(1, 3))
    def work_and_meet_a_fault(self, endpoint: str, fault: str, most: int) -> None:
        self.run(self.desk.stripe.fault(endpoint, fault))
        self.run(self.desk.work(most))

    @rule(call=CALLS)
    def work_and_die(self, call: str) -> None:
        self.run(self.desk.work(20, dies_after=call))

    @rule(endpoint=ENDPOINTS, fault=FAULTS)
    def fault_comes(self, endpoint: str, fault: str) -> None:
        self.run(self.desk.stripe.fault(endpoint, fault))

    @rule(number=st.integers(0, 200))
    def webhook_comes(self, number: int) -> None:
        self.run(self.desk.hear(number))

    @rule(by=TIMES)
    def time_passes(self, by: timedelta) -> None:
        self.run(self.desk.pass_time(by))

    @rule(rider=riders, decision=st.sampled_from(["approve", "refuse", "leave"]), comes_back=st.booleans())
    def bank_asks(self, rider: Rider, decision: str, comes_back: bool) -> None:  # noqa: FBT001
        self.run(self.decide(rider, decision, comes_back=comes_back))

    async def decide(self, rider: Rider, decision: str, *, comes_back: bool) -> None:
        """The rider goes to the bank's page, and says yes, no, or nothing."""
        gateway = self.desk.stripe.gateway
        await self.desk.attempt(
            lambda: approve_charge(self.desk.pool, rider.pledge_id, gateway=gateway, return_url="http://127.0.0.1:1/ok")
        )
        async with self.desk.pool.acquire() as conn:
            intents = await conn.fetch("SELECT intent_ref FROM payments WHERE reference = $1 AND intent_ref IS NOT NULL", rider.pledge_id)
        if decision != "leave":
            for row in intents:
                await self.desk.stripe.stage(f"intents/{row['intent_ref']}/decide", {"approve": decision == "approve"})
        if comes_back:
            await look_at_charge(self.desk.pool, rider.pledge_id, gateway=gateway)

    @rule(rider=riders, seats=st.integers(1, 4))
    def change_seats(self, rider: Rider, seats: int) -> None:
        change = PledgeChange(stop_id=None, seats=seats, wheelchairs=None, legs=None, needs=None)
        self.run(self.desk.attempt(lambda: change_pledge(self.desk.pool, rider.pledge_id, change, actor="rider")))

    @rule(rider=riders)
    def withdraw(self, rider: Rider) -> None:
        self.run(self.desk.attempt(lambda: withdraw_pledge(self.desk.pool, rider.pledge_id, actor="rider")))

    @precondition(lambda self: self.steps > STEPS // 2)
    @rule(trip=trips)
    def cancel(self, trip: TripOnSale) -> None:
        self.run(self.desk.attempt(lambda: cancel_trip(self.desk.pool, trip.id, actor="organiser", reason="no bus")))

    @precondition(lambda self: self.steps > STEPS // 3)
    @rule(trip=trips)
    def close_booking(self, trip: TripOnSale) -> None:
        self.run(self.desk.attempt(lambda: dispatch_event(self.desk.pool, trip.event_id, actor="organiser")))

    @invariant()
    def every_invariant_holds(self) -> None:
        if self.steps % NOT_WORTH_A_LOOK == 0:
            assert self.stage.run(self.desk.faults()) == []

    def teardown(self) -> None:
        try:
            self.stage.run(self.desk.come_to_rest())
            assert self.stage.run(self.desk.faults()) == []
            assert self.stage.run(self.desk.money_faults()) == []
        finally:
            self.stage.run(self.desk.aclose())


@pytest.mark.slow
@pytest.mark.timeout(60 + 10 * EXAMPLES)
def test_no_order_of_things_loses_doubles_or_strands_money(server: tuple[str, str], tmp_path: Path) -> None:
    fixed = "BUSLOAD_MONEY_EXAMPLES" not in os.environ
    profile = settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, derandomize=fixed, database=None, deadline=None, print_blob=True,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate],  # shrinking takes minutes: 25 steps are read sooner
    )  # fmt: skip
    with asyncio.Runner() as runner:
        stage = Stage(runner, server, tmp_path)
        try:
            MoneyMachine.stage = stage
            run_state_machine_as_test(MoneyMachine, settings=profile)
        finally:
            stage.close()
