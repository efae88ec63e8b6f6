"""When a failed charge is tried again: every two days, three times, never after its window."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.domain.payments.dates import COLLECTION_WINDOW, next_attempt, refund_arrival, warning_at, working_days_after
from app.domain.payments.gateway import IntentState
from app.domain.payments.model import PaymentState, outcome_of

START = datetime(2030, 5, 1, tzinfo=UTC)


@given(st.timedeltas(timedelta(0), timedelta(days=20)), st.timedeltas(timedelta(0), timedelta(days=20)))
def test_an_attempt_is_later_than_now_and_within_the_window_and_never_more_than_two_days_off(now: timedelta, until: timedelta) -> None:
    when = next_attempt(START, START + now, START + until)
    if when is not None:
        assert START + now < when <= START + until
        assert when - START in {timedelta(days=2), timedelta(days=4), timedelta(days=6)}
        assert when - (START + now) <= timedelta(hours=48)


def test_a_week_has_four_attempts() -> None:
    now, attempts, until = START, 1, START + COLLECTION_WINDOW
    while (when := next_attempt(START, now, until)) is not None:
        now, attempts = when + timedelta(minutes=3), attempts + 1
    assert (attempts, now - START) == (4, timedelta(hours=144, minutes=3))


@given(st.timedeltas(timedelta(hours=1), COLLECTION_WINDOW))
def test_whoever_does_not_pay_hears_of_it_at_least_every_two_days_until_the_end(window: timedelta) -> None:
    mails, until = [START], START + window
    while (again := next_attempt(START, mails[-1], until)) is not None:
        mails.append(again)
    if (warned := warning_at(None, mails[-1], until)) is not None:
        mails.append(warned)
    assert all(later - earlier <= timedelta(hours=48) for earlier, later in pairwise([*mails, until]))


def test_a_refund_arrives_on_a_working_day() -> None:
    friday = datetime(2030, 5, 3, 23, 30, tzinfo=UTC)
    assert refund_arrival(friday, "Europe/Berlin") == (date(2030, 5, 10), date(2030, 5, 17)), "it is Saturday there"
    assert working_days_after(date(2030, 5, 3), 1) == date(2030, 5, 6)


def intent(status: str, error_code: str | None = None) -> IntentState:
    return IntentState(
        ref="pi_1", status=status, amount_minor=1, amount_received_minor=0, currency="usd", charge_ref=None, fee_minor=None,  # type: ignore[arg-type]
        decline_code=None, error_code=error_code, action_url=None, payment_id=None,
    )  # fmt: skip


def test_every_state_of_an_intent_means_something() -> None:
    meaning = {
        "succeeded": PaymentState.SUCCEEDED,
        "requires_action": PaymentState.NEEDS_ACTION,
        "processing": PaymentState.UNKNOWN,
        "requires_payment_method": PaymentState.RETRYABLE,
        "requires_confirmation": PaymentState.SUBMITTING,
        "canceled": PaymentState.RETRYABLE,
    }
    assert {status: outcome_of(intent(status)).state for status in meaning} == meaning
    assert outcome_of(intent("requires_payment_method", "authentication_required")).state is PaymentState.NEEDS_ACTION
