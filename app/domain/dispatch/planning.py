"""Reading a plan back: the solver's duties become ours, with clock times, places and the lines of the price."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

from app.domain.dispatch.model import Call, DutyDraft, Party, QuoteLine, Scope, Timetable
from app.domain.events.model import Event, Stop
from app.domain.fleet.model import Depot
from solver.plan import Plan, PlannedDuty, Visit
from solver.problem import Hire, Problem

LegName = Literal["outbound", "return"]


class Atlas(msgspec.Struct, frozen=True, kw_only=True):
    """What the problem's ids stand for."""

    event: Event
    stops: dict[str, Stop]
    depots: dict[str, Depot]
    parties: dict[str, Party]


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """The drive to a call: seconds, metres, break seconds, and whether the bus is empty."""

    drive_s: int
    drive_m: int
    break_s: int
    is_dead: bool


NO_WAY = Way(drive_s=0, drive_m=0, break_s=0, is_dead=True)


def drafts_of(plan: Plan, problem: Problem, atlas: Atlas, *, scope: Scope, epoch_at: datetime) -> list[DutyDraft]:
    """The duties of a faultless plan, in its order."""
    return [Reading(duty, problem, atlas, epoch_at).draft(scope) for duty in plan.duties]


class Reading:
    """One duty of a plan while it is read."""

    def __init__(self, duty: PlannedDuty, problem: Problem, atlas: Atlas, epoch_at: datetime) -> None:
        self.duty, self.problem, self.atlas, self.epoch_at = duty, problem, atlas, epoch_at
        self.vehicle = next(vehicle for vehicle in problem.vehicles if vehicle.id == duty.vehicle)
        self.row = {name: number for number, name in enumerate(problem.matrix.ids)}
        self.parties = [atlas.parties[party] for party in duty.parties]
        venue = problem.venue
        self.reaches_s = venue.arrive_by_s if duty.outbound else venue.return_departs_s
        self.leaves_s = venue.return_departs_s if duty.return_ else venue.arrive_by_s

    def draft(self, scope: Scope) -> DutyDraft:
        """The duty with its timetable and price."""
        duty = self.duty
        return DutyDraft(
            scope=scope,
            operator_id=UUID(self.vehicle.operator),
            vehicle_id=UUID(duty.vehicle),
            drivers_needed=duty.drivers,
            hire_minor=duty.cost_minor,
            currency=self.problem.currency,
            distance_m=duty.distance_m,
            starts_at=self.at(duty.depot_out_s),
            ends_at=self.at(duty.depot_in_s),
            timetable=Timetable(calls=list(self.calls()), quote=self.quote()),
            parties=self.parties,
        )

    def at(self, seconds: int) -> datetime:
        """A second of the problem as a time."""
        return self.epoch_at + timedelta(seconds=seconds)

    def calls(self) -> Iterator[Call]:
        """Every place in driving order."""
        depot, venue = self.vehicle.depot, self.problem.venue.id
        yield self.depot_call("outbound", NO_WAY, arrives_s=None, departs_s=self.duty.depot_out_s)
        before, left_s = depot, self.duty.depot_out_s
        for number, visit in enumerate(self.duty.outbound):
            yield self.stop_call("outbound", visit, self.way(before, visit.stop, visit.arrive_s - left_s, is_dead=number == 0))
            before, left_s = visit.stop, visit.depart_s
        yield self.venue_call(self.way(before, venue, self.reaches_s - left_s, is_dead=not self.duty.outbound))
        before, left_s = venue, self.leaves_s
        for visit in self.duty.return_:
            yield self.stop_call("return", visit, self.way(before, visit.stop, visit.arrive_s - left_s, is_dead=False))
            before, left_s = visit.stop, visit.depart_s
        home = self.way(before, depot, self.duty.depot_in_s - left_s, is_dead=True)
        yield self.depot_call("return", home, arrives_s=self.duty.depot_in_s, departs_s=None)

    def way(self, before: str, to: str, elapsed_s: int, *, is_dead: bool) -> Way:
        """The drive between two places; what it takes beyond the driving is the break."""
        a, b = self.row[before], self.row[to]
        drive_s = self.problem.matrix.duration_s[a][b]
        return Way(drive_s=drive_s, drive_m=self.problem.matrix.distance_m[a][b], break_s=elapsed_s - drive_s, is_dead=is_dead)

    def depot_call(self, leg: LegName, way: Way, *, arrives_s: int | None, departs_s: int | None) -> Call:
        depot = self.atlas.depots[self.vehicle.depot]
        visits = self.duty.outbound[:1] if leg == "outbound" else self.duty.return_[-1:]
        zone = self.atlas.stops[visits[0].stop].zone if visits else self.atlas.event.zone
        return Call(
            kind="depot",
            leg=leg,
            stop_id=None,
            name=depot.name,
            address="",
            lat=depot.lat,
            lon=depot.lon,
            zone=zone,
            arrives_at=None if arrives_s is None else self.at(arrives_s),
            departs_at=None if departs_s is None else self.at(departs_s),
            seats=0,
            wheelchairs=0,
            **msgspec.structs.asdict(way),
        )

    def stop_call(self, leg: LegName, visit: Visit, way: Way) -> Call:
        stop = self.atlas.stops[visit.stop]
        here = [party for party in self.parties if party.stop_id == stop.id and leg in party.legs]
        return Call(
            kind="stop",
            leg=leg,
            stop_id=stop.id,
            name=stop.name,
            address=stop.address,
            lat=stop.lat,
            lon=stop.lon,
            zone=stop.zone,
            arrives_at=self.at(visit.arrive_s),
            departs_at=self.at(visit.depart_s),
            seats=sum(party.seats for party in here),
            wheelchairs=sum(party.wheelchairs for party in here),
            **msgspec.structs.asdict(way),
        )

    def venue_call(self, way: Way) -> Call:
        event, leg = self.atlas.event, "outbound" if self.duty.outbound else "return"
        aboard = [party for party in self.parties if leg in party.legs]
        return Call(
            kind="venue",
            leg="outbound",
            stop_id=None,
            name=event.venue_name,
            address=event.address,
            lat=event.lat,
            lon=event.lon,
            zone=event.zone,
            arrives_at=self.at(self.reaches_s),
            departs_at=self.at(self.leaves_s),
            seats=sum(party.seats for party in aboard),
            wheelchairs=sum(party.wheelchairs for party in aboard),
            **msgspec.structs.asdict(way),
        )

    def quote(self) -> list[QuoteLine]:
        """The lines that sum to the hire."""
        standby_s = self.leaves_s - self.reaches_s
        working_s = self.duty.depot_in_s - self.duty.depot_out_s - standby_s
        return quote_lines(
            self.vehicle.hire, distance_m=self.duty.distance_m, working_s=working_s, standby_s=standby_s, drivers=self.duty.drivers
        )


def quote_lines(hire: Hire, *, distance_m: int, working_s: int, standby_s: int, drivers: int) -> list[QuoteLine]:
    """A hire price in lines (SOLVER.md 1): each rounded up to the minor unit, lifted to the minimum, the second driver on top."""
    lines = [
        QuoteLine(kind="call_out", quantity=1, amount_minor=hire.call_out),
        QuoteLine(kind="distance", quantity=distance_m, amount_minor=-(-hire.per_km * distance_m // 1000)),
        QuoteLine(kind="hours", quantity=working_s, amount_minor=-(-hire.per_h * working_s // 3600)),
        QuoteLine(kind="standby", quantity=standby_s, amount_minor=-(-hire.standby_per_h * standby_s // 3600)),
    ]
    lift = max(0, hire.minimum - sum(line.amount_minor for line in lines))
    lines.append(QuoteLine(kind="minimum_hire", quantity=1, amount_minor=lift))
    lines.append(QuoteLine(kind="second_driver", quantity=1, amount_minor=hire.second_driver if drivers > 1 else 0))
    return [line for line in lines if line.amount_minor]
