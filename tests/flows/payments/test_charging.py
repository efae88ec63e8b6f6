"""A confirmed pledge is charged once, whatever goes wrong on the way."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import transaction
from app.core.errors import Conflict
from app.domain.payments.model import WAITING, outcome_of
from app.domain.payments.service import claim_attempt
from app.flows.approve_charge import approve_charge
from app.flows.cancel_trip import cancel_trip
from app.flows.charge_payment import attempt, charge_payment
from app.flows.look_up_payment import learn_of_intent
from app.flows.settle_payment import settle_payment
from tests.support.ledgers import charges_at_stripe, payment_ids
from tests.support.races import Race
from tests.support.riders import (
    ASKS,
    DECLINED,
    POOR,
    between,
    charge_with,
    later,
    mails_to,
    paid,
    payments,
    states,
    tipped,
)
from tests.support.service import Service

AFTER_A_MINUTE = timedelta(seconds=61)
CONFIRM, CREATE = "POST /v1/payment_intents/{intent}/confirm", "POST /v1/payment_intents"


class Killed(BaseException):
    """The worker's process is gone."""


async def die() -> None:
    raise Killed


async def test_the_charge_stands_in_the_ledger_as_in_stripes_books(service: Service) -> None:
    _, placed = await paid(service, seats=2)
    (charge,) = await charges_at_stripe(service, placed)
    assert charge["amount"] == 6400
    async with service.pool.acquire() as conn:
        rows = await conn.fetch("SELECT account, sum(amount_minor)::bigint AS minor FROM ledger_entries GROUP BY account")
    books = {row["account"]: row["minor"] for row in rows}
    assert books["riders:fares"] == -6400
    assert books["stripe:clearing"] + books.get("house:stripe_fees", 0) == 6400


@pytest.mark.parametrize(("card", "decline"), [(DECLINED, "generic_decline"), (POOR, "insufficient_funds")])
async def test_a_declined_card_waits_for_two_days_and_its_rider_is_told(service: Service, card: str, decline: str) -> None:
    _, placed = await tipped(service, card=card)
    await service.work("charge_payment")
    (payment,) = await payments(service, placed)
    assert (payment.state, payment.decline_code, payment.attempts) == ("retryable", decline, 1)
    assert payment.next_attempt_at is not None
    async with service.pool.acquire() as conn:
        wait = payment.next_attempt_at - await busload_now(conn)
    assert timedelta(hours=47) < wait <= timedelta(hours=48)
    assert "payment_failed" in await mails_to(service, placed)
    assert (await service.show(placed))["state"] == "confirmed"


async def test_a_job_that_runs_twice_is_no_second_attempt(service: Service) -> None:
    _, placed = await tipped(service, card=DECLINED)
    (payment_id,) = await payment_ids(service.pool, placed)
    for _ in range(3):
        await charge_payment(service.pool, payment_id, gateway=service.stripe.gateway)
    assert [payment.attempts for payment in await payments(service, placed)] == [1]


async def test_two_workers_with_the_same_payment_make_one_intent_and_one_charge(service: Service) -> None:
    _, placed = await tipped(service)
    (payment_id,) = await payment_ids(service.pool, placed)
    await asyncio.gather(*(charge_payment(service.pool, payment_id, gateway=service.stripe.gateway) for _ in range(6)))
    assert len(await charges_at_stripe(service, placed)) == 1
    intents = [
        i for i in (await service.stripe.books())["payment_intents"] if i["metadata"].get("busload_reference") == placed["pledge"]["id"]
    ]
    assert len(intents) == 1
    assert await states(service, placed) == ["succeeded"]


@pytest.mark.parametrize("endpoint", [CREATE, CONFIRM])
@pytest.mark.parametrize("fault", ["lost_reply", "cut_before_effect", "server_error", "server_error_after_effect", "rate_limited"])
async def test_whatever_the_answer_the_rider_is_charged_once(service: Service, endpoint: str, fault: str) -> None:
    _, placed = await tipped(service)
    await service.stripe.fault(endpoint, fault)
    await service.work("charge_payment")
    await later(service, AFTER_A_MINUTE)
    assert await states(service, placed) == ["succeeded"]
    assert len(await charges_at_stripe(service, placed)) == 1
    assert (await service.show(placed))["state"] == "paid"


async def test_a_webhook_may_be_faster_than_the_workers_answer(service: Service) -> None:
    _, placed = await tipped(service)

    async def webhook() -> None:
        (payment,) = await payments(service, placed)
        assert payment.intent_ref is not None
        await learn_of_intent(service.pool, payment.intent_ref, gateway=service.stripe.gateway)
        assert await states(service, placed) == ["succeeded"]

    await charge_with(service, placed, between(service, "confirm_payment_intent", webhook))
    assert await states(service, placed) == ["succeeded"]
    assert (await mails_to(service, placed)).count("payment_succeeded") == 1


async def test_late_news_of_a_failure_does_not_end_the_attempt_under_way(service: Service) -> None:
    _, placed = await tipped(service, card=DECLINED)
    await service.work("charge_payment")
    (failed,) = await payments(service, placed)
    await service.jump(timedelta(hours=49))

    async def late_news() -> None:
        assert failed.intent_ref is not None
        await learn_of_intent(service.pool, failed.intent_ref, gateway=service.stripe.gateway)
        assert await states(service, placed) == ["submitting"]

    await charge_with(service, placed, between(service, "fetch_payment_intent", late_news))
    assert [(payment.state, payment.attempts) for payment in await payments(service, placed)] == [("retryable", 2)]


async def test_news_of_a_failure_that_the_worker_settles_meanwhile_does_not_put_it_under_way_again(service: Service) -> None:
    _, placed = await tipped(service, card=DECLINED)
    async with transaction(service.pool) as conn:
        await act_as(conn, "worker", "charge")
        payment = await claim_attempt(conn, (await payment_ids(service.pool, placed))[0], sorted(WAITING), only_when_due=True)
    assert payment is not None
    outcome = await attempt(service.pool, payment, gateway=service.stripe.gateway)
    assert outcome is not None
    assert outcome.intent_ref is not None
    intent_ref = outcome.intent_ref
    await Race(service.pool, at="set_config('busload.actor'").run(
        lambda pool: learn_of_intent(pool, intent_ref, gateway=service.stripe.gateway),
        lambda pool: settle_payment(pool, payment.id, outcome, attempt=payment.attempts),
    )
    assert [(payment.state, payment.attempts) for payment in await payments(service, placed)] == [("retryable", 1)]


async def test_control_taken_for_more_than_a_hint_late_news_of_a_failure_ends_the_attempt_under_way(service: Service) -> None:
    _, placed = await tipped(service, card=DECLINED)
    await service.work("charge_payment")
    (failed,) = await payments(service, placed)
    assert failed.intent_ref is not None
    news = outcome_of(await service.stripe.gateway.fetch_payment_intent(failed.intent_ref))
    await service.jump(timedelta(hours=49))

    async def late_news() -> None:
        await settle_payment(service.pool, failed.id, news)
        assert await states(service, placed) == ["retryable"]

    await charge_with(service, placed, between(service, "fetch_payment_intent", late_news))


@pytest.mark.parametrize("moment", ["create_payment_intent", "confirm_payment_intent"])
async def test_a_worker_killed_between_charge_and_answer_charges_nobody_twice(service: Service, moment: str) -> None:
    _, placed = await tipped(service)
    with pytest.raises(Killed):
        await charge_with(service, placed, between(service, moment, die))
    assert await states(service, placed) == ["submitting"]
    await service.work("charge_payment")  # the job comes again: the payment is not its to take
    assert await states(service, placed) == ["submitting"]
    await later(service, AFTER_A_MINUTE)
    assert await states(service, placed) == ["succeeded"]
    assert len(await charges_at_stripe(service, placed)) == 1


async def test_a_trip_cancelled_while_a_charge_is_under_way_gives_it_back_in_full(service: Service) -> None:
    trip, placed = await tipped(service)

    async def cancel() -> None:
        await cancel_trip(service.pool, UUID(trip["id"]), actor="organiser", reason="no bus")
        assert await states(service, placed) == ["submitting"]

    await charge_with(service, placed, between(service, "confirm_payment_intent", cancel))
    await service.work()
    shown = await service.show(placed)
    assert (shown["state"], [(r["state"], r["amount_minor"]) for r in shown["refunds"]]) == ("released", [("succeeded", 3200)])


async def test_a_charge_whose_worker_died_is_not_tried_again_for_a_trip_that_was_cancelled(service: Service) -> None:
    trip, placed = await tipped(service)
    with pytest.raises(Killed):
        await charge_with(service, placed, between(service, "create_payment_intent", die))
    await cancel_trip(service.pool, UUID(trip["id"]), actor="organiser", reason="no bus")
    await later(service, AFTER_A_MINUTE)
    assert await states(service, placed) == ["void"]
    assert await charges_at_stripe(service, placed) == []


async def waits_at_the_bank(service: Service) -> tuple[dict[str, object], dict[str, object], str]:
    """A pledge whose rider has the bank's page open: trip, pledge and intent."""
    trip, placed = await tipped(service, card=ASKS)
    await service.work("charge_payment")
    assert await states(service, placed) == ["needs_action"]
    url = await approve_charge(
        service.pool, UUID(placed["pledge"]["id"]), gateway=service.stripe.gateway, return_url=f"{service.settings.base_url}/back"
    )
    (payment,) = await payments(service, placed)
    assert payment.intent_ref is not None
    assert url.startswith(service.stripe.url)
    return trip, placed, payment.intent_ref


async def test_a_charge_the_bank_wants_approved_is_approved_by_its_rider(service: Service) -> None:
    _, placed, intent = await waits_at_the_bank(service)
    assert (await mails_to(service, placed)).count("payment_approval") == 1, "none while the rider is at the bank"
    await service.stripe.stage(f"intents/{intent}/decide", {"approve": True})
    await service.http.get(f"/p/{placed['manage_token']}/approved")
    assert await states(service, placed) == ["succeeded"]
    assert len(await charges_at_stripe(service, placed)) == 1


async def test_an_approval_refused_leaves_the_charge_waiting(service: Service) -> None:
    _, placed, intent = await waits_at_the_bank(service)
    await service.stripe.stage(f"intents/{intent}/decide", {"approve": False})
    await service.http.get(f"/p/{placed['manage_token']}/approved")
    assert await states(service, placed) == ["needs_action"]
    assert await charges_at_stripe(service, placed) == []


async def test_approving_a_charge_that_stripe_never_took_on_leaves_it_as_it_is(service: Service) -> None:
    _, placed = await tipped(service, price_both_minor=10, price_one_way_minor=None)  # below Stripe's smallest charge
    await service.work("charge_payment")
    (before,) = await payments(service, placed)
    assert (before.state, before.intent_ref, before.error_code) == ("retryable", None, "amount_too_small")
    with pytest.raises(Conflict, match="No charge of this pledge waits"):
        await approve_charge(service.pool, UUID(placed["pledge"]["id"]), gateway=service.stripe.gateway, return_url="http://localhost/")
    assert await payments(service, placed) == [before]


async def test_an_approval_after_the_trip_was_cancelled_goes_back_in_full(service: Service) -> None:
    trip, placed, intent = await waits_at_the_bank(service)
    await cancel_trip(service.pool, UUID(str(trip["id"])), actor="organiser", reason="no bus")
    await service.stripe.stage(f"intents/{intent}/decide", {"approve": True})
    await service.work()
    shown = await service.show(placed)
    assert [charge["state"] for charge in shown["charges"]] == ["succeeded"]
    assert [(refund["state"], refund["amount_minor"]) for refund in shown["refunds"]] == [("succeeded", 3200)]


async def test_a_cancelled_trips_charge_is_closed_at_the_bank_before_it_is_void(service: Service) -> None:
    trip, placed, intent = await waits_at_the_bank(service)
    await cancel_trip(service.pool, UUID(str(trip["id"])), actor="organiser", reason="no bus")
    await service.work()
    assert await states(service, placed) == ["void"]
    assert (await service.stripe.gateway.fetch_payment_intent(intent)).status == "canceled"


async def test_charges_go_before_the_mails_that_were_queued_before_them(service: Service) -> None:
    await tipped(service)
    rows = await service.pool.fetch("SELECT entrypoint, priority FROM pgqueuer WHERE status = 'queued'")
    priority = {row["entrypoint"]: row["priority"] for row in rows}
    assert priority["charge_payment"] > priority["send_mail"]
