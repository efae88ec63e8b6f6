"""The refund ladder for any steps, dates and amounts: exact to the minor unit, never better to wait, never worse than what was shown."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.domain.events.ladder import RefundStep, ahead_of, better_of, ladder_faults, share_at, steps_of
from app.domain.payments.shares import back_of, kept_of, spread_over

ARRIVE = datetime(2030, 6, 1, 16, tzinfo=UTC)
amounts = st.integers(min_value=0, max_value=2_000_000_000)
shares = st.integers(min_value=0, max_value=10_000)
moments = st.integers(min_value=-60 * 24, max_value=24).map(lambda hours: ARRIVE + timedelta(hours=hours))


@st.composite
def ladders(draw: st.DrawFn) -> list[tuple[int, int]]:
    """A ladder as an organiser may set it: falling in hours and in what it gives."""
    hours = sorted(draw(st.sets(st.integers(0, 24 * 40), max_size=6)), reverse=True)
    gives = sorted(draw(st.sets(st.integers(1, 10_000), min_size=len(hours), max_size=len(hours))), reverse=True)
    return list(zip(hours, gives, strict=True))


def dated(ladder: list[tuple[int, int]], closes: datetime, arrive: datetime = ARRIVE) -> list[RefundStep]:
    return steps_of(ladder, arrive_by_at=arrive, booking_closes_at=closes)


@given(st.lists(amounts, max_size=4), shares)
def test_what_comes_back_and_what_stays_is_what_was_paid(held: list[int], refund_bp: int) -> None:
    back, kept = back_of(held, refund_bp), sum(kept_of(one, refund_bp) for one in held)
    assert back + kept == sum(held)
    assert 0 <= kept * 10_000 <= sum(held) * (10_000 - refund_bp), "the odd minor unit is the rider's"
    assert back - sum(held) * refund_bp / 10_000 < max(1, len(held)), "and it is one for each charge at most"


@given(st.lists(amounts, max_size=4), shares, shares)
def test_a_larger_share_never_gives_less(held: list[int], one: int, other: int) -> None:
    assert back_of(held, min(one, other)) <= back_of(held, max(one, other))


@given(st.integers(0, 4_000_000_000), st.lists(amounts, max_size=5))
def test_an_amount_spread_over_charges_takes_from_each_what_it_holds_and_sums_exactly(amount: int, held: list[int]) -> None:
    parts = spread_over(amount, held)
    assert sum(parts) == min(amount, sum(held))
    assert all(0 <= part <= one for part, one in zip(parts, held, strict=True))


@given(ladders(), moments, moments, moments)
def test_waiting_never_pays_and_no_step_outlives_booking_close(
    ladder: list[tuple[int, int]], closes: datetime, one: datetime, other: datetime
) -> None:
    assert ladder_faults(ladder) == []
    steps = dated(ladder, closes)
    assert share_at(steps, min(one, other)) >= share_at(steps, max(one, other))
    assert all(step.until <= closes for step in steps)
    assert share_at(steps, closes + timedelta(seconds=1)) == 0
    assert [step.until for step in steps] == sorted({step.until for step in steps})


@given(ladders(), moments, moments, moments)
def test_what_is_shown_ahead_is_what_holds(ladder: list[tuple[int, int]], closes: datetime, shown_at: datetime, later: datetime) -> None:
    steps = dated(ladder, closes)
    shown_at, later = min(shown_at, later), max(shown_at, later)
    assert share_at(ahead_of(steps, shown_at), later) == share_at(steps, later)


@given(ladders(), moments, moments, st.integers(-200, 2_000), moments)
def test_an_event_that_moves_leaves_every_moment_the_better_of_both(
    ladder: list[tuple[int, int]], closes: datetime, moved_closes: datetime, moved_by_h: int, now: datetime
) -> None:
    shown, moved = dated(ladder, closes), dated(ladder, moved_closes, ARRIVE + timedelta(hours=moved_by_h))
    assert share_at(better_of(shown, moved), now) == max(share_at(shown, now), share_at(moved, now))


@given(
    st.lists(amounts.filter(bool), min_size=1, max_size=4),
    st.lists(st.tuples(st.sampled_from(["credit", "change", "late"]), amounts), max_size=8),
    shares,
)
def test_whatever_happened_before_nothing_is_lost_and_no_charge_gives_more_than_it_took(
    charges: list[int], events: list[tuple[str, int]], refund_bp: int
) -> None:
    held, back = list(charges), 0
    for what, amount in events:
        if what == "late":
            held, charges = [*held, amount], [*charges, amount]
        else:  # a credit takes from the oldest charge first, a cheaper party from the newest
            order = held if what == "credit" else held[::-1]
            parts = spread_over(amount, order)
            left = [one - part for one, part in zip(order, parts, strict=True)]
            held, back = left if what == "credit" else left[::-1], back + sum(parts)
    by_ladder, kept = back_of(held, refund_bp), sum(kept_of(one, refund_bp) for one in held)
    assert back + by_ladder + kept == sum(charges)
    assert min(held) >= 0
    assert back_of([kept_of(one, refund_bp) for one in held], 10_000) == kept, "a cancelled trip gives the rest back to the cent"
