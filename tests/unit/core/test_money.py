"""Splitting money: the parts are the whole, and fair to a minor unit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import basis_points, split_by_weight

amounts = st.integers(min_value=0, max_value=10**12)
weights = st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=40)


@given(amounts, weights)
def test_parts_sum_to_the_whole_and_none_is_negative(amount_minor: int, shares: list[int]) -> None:
    parts = split_by_weight(amount_minor, shares)
    assert sum(parts) == amount_minor
    assert len(parts) == len(shares)
    assert min(parts) >= 0


@given(amounts, weights)
def test_no_part_is_a_whole_unit_away_from_its_exact_share(amount_minor: int, shares: list[int]) -> None:
    total = sum(shares)
    for part, share in zip(split_by_weight(amount_minor, shares), shares if total else [1] * len(shares), strict=True):
        assert abs(part * (total or len(shares)) - amount_minor * share) < (total or len(shares))


@given(amounts, weights)
def test_who_weighs_nothing_gets_nothing_unless_nobody_weighs(amount_minor: int, shares: list[int]) -> None:
    if sum(shares):
        assert all(part == 0 for part, share in zip(split_by_weight(amount_minor, shares), shares, strict=True) if share == 0)


@given(amounts, weights)
def test_who_weighs_more_never_gets_less(amount_minor: int, shares: list[int]) -> None:
    parts = [part for _, part in sorted(zip(shares, split_by_weight(amount_minor, shares), strict=True))]
    assert parts == sorted(parts)


@pytest.mark.parametrize("shares", [[], [1, -1]])
def test_nothing_to_split_by_is_refused(shares: list[int]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split_by_weight(100, shares)


@given(amounts, st.integers(min_value=0, max_value=10_000))
def test_basis_points_never_exceed_the_amount(amount_minor: int, rate_bp: int) -> None:
    assert 0 <= basis_points(amount_minor, rate_bp) <= amount_minor
