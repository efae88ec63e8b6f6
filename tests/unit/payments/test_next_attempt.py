"""When a failed charge is tried again: every two days, three times, never after its window."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.domain.payments.gateway import IntentState
from app.domain.payments.model import COLLECTION_WINDOW, PaymentState, next_attempt, outcome_of

START = datetime(2030, 5, 1, tzinfo=UTC)


@given(
    st.integers(min_value=-1, max_value=20),
    st.timedeltas(timedelta(0), timedelta(days=20)),
    st.timedeltas(timedelta(0), timedelta(days=20)),
)
def test_an_attempt_is_later_than_now_and_within_the_window(attempts: int, now: timedelta, until: timedelta) -> None:
    when = next_attempt(attempts, START + now, START + until)
    if when is not None:
        assert when == START + now + timedelta(hours=48)
        assert when <= START + until
        assert 1 <= attempts <= 3


def test_a_week_has_four_attempts() -> None:
    now, attempts, until = START, 1, START + COLLECTION_WINDOW
    while (when := next_attempt(attempts, now, until)) is not None:
        now, attempts = when, attempts + 1
    assert (attempts, now - START) == (4, timedelta(hours=144))


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
