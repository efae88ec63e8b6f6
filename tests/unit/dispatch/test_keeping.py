"""Duties whose offers stand while the rest is planned again."""

from datetime import UTC, datetime, timedelta

import msgspec

from app.domain.dispatch.keeping import joined, keepable, settled_of, without
from app.domain.dispatch.solving import SolveLimits, Solving, answer, search
from solver import Depot, Hire, Limits, Party, PlannedDuty, Problem, Rules, Stop, Vehicle, Venue, Weights, check_plan
from solver.travel import Place, crow_matrix

EPOCH = datetime(2027, 1, 21, tzinfo=UTC)
HIRE = Hire(call_out=20_000, per_km=150, per_h=4_500, standby_per_h=2_000, minimum=0, second_driver=30_000)
RULES = Rules(max_driving_s=36_000, max_spread_s=72_000, max_driving_2_s=72_000, max_spread_2_s=86_400, break_after_s=16_200, break_s=2_700)
LIMITS = SolveLimits(time_limit_s=0.3, patience_s=0.1)
SPOTS = {"venue": (38.89, -77.02), "s1": (39.28, -76.62), "s2": (37.53, -77.43), "d1": (38.95, -76.9)}


def problem_of(*, buses: int = 4, parties: int = 20, rider_minute_minor: int = 3) -> Problem:
    """Two stops on either side of the venue, parties of four in turn, buses of 49 seats."""
    matrix = crow_matrix([Place(id=name, lat=lat, lon=lon) for name, (lat, lon) in SPOTS.items()])
    return Problem(
        name="X-both",
        currency="USD",
        venue=Venue(id="venue", lat=SPOTS["venue"][0], lon=SPOTS["venue"][1], arrive_by_s=40_000, return_departs_s=60_000),
        stops=tuple(Stop(id=s, lat=SPOTS[s][0], lon=SPOTS[s][1], dwell_s=300, max_ride_s=14_400) for s in ("s1", "s2")),
        depots=(Depot(id="d1", lat=SPOTS["d1"][0], lon=SPOTS["d1"][1]),),
        parties=tuple(
            Party(id=f"p{i}", stop="s1" if i % 2 else "s2", seats=4, wheelchairs=0, legs=("outbound", "return")) for i in range(parties)
        ),
        vehicles=tuple(
            Vehicle(
                id=f"v{i}",
                operator=f"o{i}",
                depot="d1",
                seats=49,
                wheelchair_places=1,
                available_from_s=-50_000,
                available_to_s=200_000,
                rules="us",
                hire=HIRE,
            )
            for i in range(buses)
        ),
        rules={"us": RULES},
        limits=Limits(max_stops=6),
        weights=Weights(rider_minute_minor=rider_minute_minor),
        matrix=matrix,
    )


def test_kept_duties_and_the_rest_make_a_faultless_plan_of_the_whole() -> None:
    problem = problem_of()
    before = search(problem, LIMITS)
    kept = list(before.duties[:1])
    whole = joined(problem, kept, search(without(problem, kept), LIMITS))
    assert check_plan(problem, whole) == []
    assert kept[0] in whole.duties


def test_a_lost_vehicle_changes_only_its_own_duty() -> None:
    problem = problem_of()
    before = search(problem, LIMITS)
    lost, *standing = [duty.vehicle for duty in before.duties]
    smaller = msgspec.structs.replace(problem, vehicles=tuple(v for v in problem.vehicles if v.id != lost))
    kept = keepable(smaller, before=problem, epoch_at=EPOCH, epoch_before_at=EPOCH, duties=before.duties, standing=standing)
    after = answer(smaller, kept, LIMITS)
    assert check_plan(smaller, after.plan) == []
    assert [duty for duty in after.plan.duties if duty.vehicle in standing] == [duty for duty in before.duties if duty.vehicle in standing]
    assert after.plan.served_parties == before.served_parties


def test_what_is_proven_beside_kept_duties_is_what_they_cost_and_the_bound_of_the_rest() -> None:
    problem = problem_of()
    before = search(problem, LIMITS)
    told = list[Solving]()
    after = answer(problem, before.duties[:1], SolveLimits(iterations=20), told.append)
    assert after.kept == (before.duties[0].vehicle,)
    assert after.plan.bound_minor is None
    assert after.bound_minor is not None
    assert settled_of(problem, before.duties[:1]).cost_minor < after.bound_minor <= after.plan.cost_minor
    assert (told[-1].cost_minor, told[-1].bound_minor, told[-1].kept) == (after.plan.cost_minor, after.bound_minor, 1)
    assert {line.people for line in told} == {sum(party.persons for party in problem.parties)}
    settled = answer(problem, before.duties, LIMITS)
    assert settled.bound_minor == settled.plan.cost_minor == before.cost_minor


def test_when_keeping_would_leave_people_behind_all_is_planned_anew() -> None:
    problem = problem_of(buses=2, parties=24)
    wasteful = search(msgspec.structs.replace(problem, parties=problem.parties[:2], vehicles=problem.vehicles[:1]), LIMITS)
    after = answer(problem, list(wasteful.duties), LIMITS)
    assert check_plan(problem, after.plan) == []
    assert after.plan.unserved == ()


def test_nothing_is_kept_when_the_event_moved_the_price_changed_or_a_rider_left() -> None:
    problem = problem_of()
    duties = search(problem, LIMITS).duties
    standing = {duty.vehicle for duty in duties}

    def kept(now: Problem, *, epoch_at: datetime = EPOCH) -> list[PlannedDuty]:
        return keepable(now, before=problem, epoch_at=epoch_at, epoch_before_at=EPOCH, duties=duties, standing=standing)

    assert kept(problem) == list(duties)
    assert kept(problem, epoch_at=EPOCH + timedelta(days=1)) == []
    dearer = tuple(msgspec.structs.replace(v, hire=msgspec.structs.replace(HIRE, per_km=999)) for v in problem.vehicles)
    assert kept(msgspec.structs.replace(problem, vehicles=dearer)) == []
    gone = duties[0].parties[0]
    fewer = msgspec.structs.replace(problem, parties=tuple(p for p in problem.parties if p.id != gone))
    assert duties[0] not in kept(fewer)
