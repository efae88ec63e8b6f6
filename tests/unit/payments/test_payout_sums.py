"""Hire, fee, share and rest sum to what was held; a correction's parts to its amount; for any figures."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from app.core.ids import new_id
from app.domain.payments.payouts.model import (
    Payout,
    PayoutKind,
    PayoutState,
    WaitsFor,
    book_closes_at,
    cut_hire,
    net_off,
    reserve_of,
    share_out,
    tax_within,
)

MONEY = st.integers(0, 10**10)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
RATES = st.integers(0, 10_000).flatmap(lambda fee: st.tuples(st.just(fee), st.integers(0, 10_000 - fee)))
HALF_A_CENT = 2


def payout(kind: PayoutKind, state: PayoutState, owed_minor: int, amount_minor: int | None) -> Payout:
    return Payout(
        id=new_id(), kind=kind, reference=new_id(), payee_id=new_id(), book="event:1", currency="EUR", owed_minor=owed_minor,
        amount_minor=amount_minor, state=state, waits_for=WaitsFor.NOTHING, account_ref="acct_1", transfer_ref=None, not_before_at=NOW,
        attempts=1, submitted_at=None, settled_at=None, error_code="", created_at=NOW,
    )  # fmt: skip


@given(MONEY, MONEY, MONEY, RATES)
def test_hire_fee_share_and_rest_are_what_was_held(kept: int, subsidy: int, hire: int, rates: tuple[int, int]) -> None:
    fee_bp, share_bp = rates
    shares = share_out(kept_minor=kept, subsidy_minor=subsidy, hire_minor=hire, fee_bp=fee_bp, share_bp=share_bp)
    assert shares.hire_minor + shares.fee_minor + shares.share_minor + shares.rest_minor == kept + subsidy
    assert min(shares.fee_minor, shares.share_minor) >= 0
    if kept + subsidy >= hire:
        assert shares.rest_minor >= 0
    else:
        assert (shares.fee_minor, shares.share_minor) == (0, 0)
    if kept + subsidy >= hire + kept:  # nothing is short: each is within one minor unit of its rate, which largest remainder rounds
        assert abs(shares.fee_minor * 10_000 - kept * fee_bp) < 10_000
        assert abs(shares.share_minor * 10_000 - kept * share_bp) < 10_000


@given(MONEY, st.integers(0, 5_000), st.integers(0, 5_000))
def test_tax_and_reserve_are_parts_of_the_hire(gross: int, vat_bp: int, reserve_bp: int) -> None:
    tax = tax_within(gross, vat_bp)
    assert 0 <= tax <= gross
    # The tax is its rate of the net amount, to half a minor unit of gross: |tax (1 + r) - gross r| <= (1 + r) / 2
    assert HALF_A_CENT * abs(tax * (10_000 + vat_bp) - gross * vat_bp) <= 10_000 + vat_bp
    assert 0 <= reserve_of(gross, reserve_bp) <= gross


@given(MONEY, st.lists(MONEY))
def test_debts_are_netted_off_the_oldest_first_and_never_beyond_the_payout(owed: int, debts: list[int]) -> None:
    taken = net_off(owed, debts)
    assert sum(taken) == min(owed, sum(debts))
    assert all(part <= debt for part, debt in zip(taken, debts, strict=True))
    unpaid = [index for index, (part, debt) in enumerate(zip(taken, debts, strict=True)) if part < debt]
    assert all(taken[index] == 0 for index in unpaid[1:])


@given(
    hire=MONEY, reserve=MONEY, netted=MONEY, back=MONEY,
    hire_state=st.sampled_from([PayoutState.DUE, PayoutState.FAILED, PayoutState.SUCCEEDED]),
    reserve_state=st.sampled_from([PayoutState.DUE, PayoutState.SUCCEEDED]), share=st.integers(0, 10_000),
)  # fmt: skip
def test_a_correction_is_carried_to_the_last_minor_unit(
    hire: int, reserve: int, netted: int, back: int, hire_state: PayoutState, reserve_state: PayoutState, share: int
) -> None:
    first = payout(PayoutKind.HIRE, hire_state, hire, None if hire_state is PayoutState.DUE else max(0, hire - netted))
    second = payout(PayoutKind.RESERVE, reserve_state, reserve, None if reserve_state is PayoutState.DUE else reserve)
    gone = {first.id: min(back, first.unpaid_minor)}
    amount = (hire + reserve) * share // 10_000
    cuts = cut_hire(amount, [first, second], reversed_minor=gone)
    assert sum(cut.amount_minor for cut in [*cuts.less, *cuts.back]) + cuts.debt_minor == amount
    assert all(0 < cut.amount_minor <= cut.payout.unpaid_minor for cut in cuts.less)
    assert all(0 < cut.amount_minor <= cut.payout.unpaid_minor - gone.get(cut.payout.id, 0) for cut in cuts.back)
    assert cuts.debt_minor >= 0


@given(st.timedeltas(timedelta(0), timedelta(days=5_000)), st.sampled_from(["America/New_York", "Europe/Berlin", "Pacific/Auckland"]))
def test_a_book_closes_with_a_month_at_least_a_week_later(later: timedelta, zone: str) -> None:
    home_at = NOW + later
    closes = book_closes_at(home_at, zone)
    local = closes.astimezone(ZoneInfo(zone))
    assert (local.day, local.hour, local.minute) == (1, 0, 0)
    assert timedelta(days=6, hours=22) <= closes - home_at <= timedelta(days=39)
