"""Quotes, withdrawals: what the service asks besides a plan."""

import pytest

import solver
from tests.solver.events import problem


def test_a_quote_carries_the_demand_and_names_the_break_even() -> None:
    told = problem(31, full=False, vehicles=8)
    quote = solver.quote(told, price_both_minor=50_000, price_one_way_minor=30_000)
    assert solver.check_plan(told, quote.plan) == []
    assert quote.persons + quote.persons_left == sum(party.persons for party in told.parties)
    assert quote.revenue_minor == 50_000 * quote.persons
    assert quote.break_even_seats is not None
    assert 50_000 * (quote.break_even_seats - 1) < quote.cost_minor <= 50_000 * quote.break_even_seats


def test_a_price_that_full_buses_cannot_earn_has_no_break_even() -> None:
    quote = solver.quote(problem(31, full=False, vehicles=8), price_both_minor=10, price_one_way_minor=10, time_limit_s=0.1)
    assert quote.break_even_seats is None


def test_a_quote_may_be_for_some_parties_only() -> None:
    told = problem(31, full=False)
    some = [party.id for party in told.parties if party.stop == "s1"]
    quote = solver.quote(told, price_both_minor=100, price_one_way_minor=60, parties=some, time_limit_s=0.1)
    assert quote.plan.served_parties | {entry.party for entry in quote.plan.unserved} == set(some)
    with pytest.raises(ValueError, match="ghost"):
        solver.quote(told, price_both_minor=100, price_one_way_minor=60, parties=["ghost"])
    with pytest.raises(ValueError, match="prices"):
        solver.quote(told, price_both_minor=0, price_one_way_minor=60)


def test_each_operator_of_a_plan_is_asked_about_and_the_worst_comes_first() -> None:
    told = problem(33, full=False, stops=8, vehicles=9)
    plan = solver.solve(told, solver.IterationLimit(10)).plan
    owner = {vehicle.id: vehicle.operator for vehicle in told.vehicles}
    report = solver.withdrawals(told, plan, time_limit_s=2.0)
    assert {entry.operator for entry in report} == {owner[duty.vehicle] for duty in plan.duties}
    assert sum(entry.duties_lost for entry in report) == len(plan.duties)
    persons = {party.id: party.persons for party in told.parties}
    unseated = [sum(persons[party] for party in entry.unseated) for entry in report]
    assert unseated == sorted(unseated, reverse=True)
    for entry in report:
        assert sum(persons[party] for party in entry.unseated) <= entry.riders_affected + sum(persons[u.party] for u in plan.unserved)
