"""The country of a march: origins with their stops, and the fleets that may carry people, from the solver benchmark's distributions."""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.ids import new_id
from app.domain.events import store as events
from app.domain.fleet import store as fleet
from app.domain.fleet.model import Depot, Operator, RateCard, Vehicle
from app.flows.plan_event import EventWish, StopWish, TripWish, create_event, create_trip, open_trip
from tests.bench.event_generator import SCALES, event_problem

ZONE, CURRENCY, RULES = "Europe/Berlin", "EUR", "eu-561"
PRICE_MINOR, TIER_PRICE_MINOR = 9_800, 9_300
LONGEST_RIDE_S = 12 * 3600
OPENS_FOR = timedelta(days=14)
AHEAD = timedelta(days=40)
MINIMUM_SHARE, TIER_SHARE = 0.6, 0.9
AT_ONCE = 6


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """A trip on sale: its id, and for each of its stops how many people wait there."""

    trip_id: UUID
    stops: tuple[tuple[UUID, int], ...]

    @property
    def people(self) -> int:
        """How many will pledge."""
        return sum(waiting for _, waiting in self.stops)


class Country(msgspec.Struct, frozen=True, kw_only=True):
    """An event on sale in all its origins, and how large the fleets are."""

    event_id: UUID
    origins: tuple[Origin, ...]
    vehicles: int
    operators: int

    @property
    def people(self) -> int:
        """How many will pledge."""
        return sum(origin.people for origin in self.origins)


async def settle_country(pool: Pool, *, scale: str, seed: int) -> Country:
    """An event of the generator's scale (`L`: 48,000 people, 600 stops in 200 origins, 1,200 buses of 135 operators) on sale."""
    problem = event_problem(scale, seed)
    async with transaction(pool) as conn:
        now = await busload_now(conn)
        await add_fleets(conn, problem, now)
    event = await create_event(pool, event_wish(problem, now), actor="organiser")
    gate = asyncio.Semaphore(AT_ONCE)

    async def on_sale(number: int, stops: list[dict[str, Any]]) -> Origin:
        async with gate:
            return await open_origin(pool, event.id, number, stops, waiting=people_at(problem), deadline_at=now + OPENS_FOR)

    origins = await asyncio.gather(*(on_sale(number, stops) for number, stops in enumerate(towns_of(problem, SCALES[scale][4]))))
    return Country(
        event_id=event.id, origins=tuple(origins), vehicles=len(problem["vehicles"]), operators=len(problem["depots"])
    )  # fmt: skip


def event_wish(problem: dict[str, Any], now: datetime) -> EventWish:
    """The march, on a day forty days ahead; booking closes ten days before."""
    arrive = (now + AHEAD).replace(hour=11, minute=0, second=0, microsecond=0)
    venue = problem["venue"]
    return EventWish(
        name="The march", kind="march", summary="", venue_name="The mall", address="", lat=venue["lat"], lon=venue["lon"], zone=ZONE,
        currency=CURRENCY, starts_at=arrive + timedelta(hours=1), ends_at=arrive + timedelta(hours=4), arrive_by_at=arrive,
        return_departs_at=arrive + timedelta(hours=4, minutes=30), booking_closes_at=arrive - timedelta(days=10),
        capacity_deadline_at=arrive - timedelta(days=3), fee_bp=500, partner_share_bp=0, max_stops=6, rider_minute_minor=0,
        contact_phone="+49 30 5550100", partner_id=None,
    )  # fmt: skip


def people_at(problem: dict[str, Any]) -> Counter[str]:
    """People by stop."""
    waiting: Counter[str] = Counter()
    for party in problem["parties"]:
        waiting[party["stop"]] += party["seats"] + party["wheelchairs"]
    return waiting


def towns_of(problem: dict[str, Any], count: int) -> list[list[dict[str, Any]]]:
    """The stops by town: the first `count` stops are one per town, each other one belongs to the nearest of these."""
    towns = [[stop] for stop in problem["stops"][:count]]
    for stop in problem["stops"][count:]:
        min(towns, key=lambda town: math.hypot(town[0]["lat"] - stop["lat"], (town[0]["lon"] - stop["lon"]) * 0.64)).append(stop)
    return towns


async def open_origin(
    pool: Pool, event_id: UUID, number: int, stops: Sequence[dict[str, Any]], *, waiting: Counter[str], deadline_at: datetime
) -> Origin:
    """One trip: it tips when three fifths of its people have pledged, and has room for all of them."""
    people = sum(waiting[stop["id"]] for stop in stops)
    first = stops[0]
    tier = max(2, math.ceil(people * TIER_SHARE))
    wish = TripWish(
        origin=f"Origin {number + 1}", origin_lat=first["lat"], origin_lon=first["lon"], zone=ZONE, price_both_minor=PRICE_MINOR,
        price_one_way_minor=None, tiers=[(tier, TIER_PRICE_MINOR)], minimum=max(1, math.floor(people * MINIMUM_SHARE)), cap=people,
        deadline_at=deadline_at,
        stops=[
            StopWish(name=stop["name"], address="", lat=stop["lat"], lon=stop["lon"], zone=ZONE, max_ride_s=LONGEST_RIDE_S)
            for stop in stops
        ],
    )  # fmt: skip
    trip = await create_trip(pool, event_id, wish, actor="organiser")
    await open_trip(pool, trip.id, actor="organiser")
    async with pool.acquire() as conn:
        known = {stop.name: stop.id for stop in await events.list_stops_of_trip(conn, trip.id)}
    return Origin(trip_id=trip.id, stops=tuple((known[stop["name"]], waiting[stop["id"]]) for stop in stops))


async def add_fleets(conn: Connection, problem: dict[str, Any], now: datetime) -> None:
    """Every operator with its yard and buses, papers in order, free at all times."""
    until = (now + timedelta(days=700)).date()
    depots: dict[str, Depot] = {}
    for number, spot in enumerate(problem["depots"], 1):
        operator = Operator(
            id=new_id(), public_code=f"MARCH{number:03}", name=f"Coaches {number}", country="DE", email=f"office{number}@coaches.example",
            phone="+49 30 5550101", licence_number=f"D-{number:04}", licence_expires_on=until, insurance_expires_on=until,
        )  # fmt: skip
        await fleet.add_operator(conn, operator)
        depots[spot["id"]] = Depot(id=new_id(), operator_id=operator.id, name=f"Yard {number}", lat=spot["lat"], lon=spot["lon"])
        await fleet.add_depot(conn, depots[spot["id"]])
    for number, bus in enumerate(problem["vehicles"], 1):
        await add_bus(conn, depots[bus["depot"]], number, bus, now)


async def add_bus(conn: Connection, depot: Depot, number: int, bus: dict[str, Any], now: datetime) -> None:
    """A bus and its price."""
    vehicle = Vehicle(
        id=new_id(), operator_id=depot.operator_id, depot_id=depot.id, plate=f"B BL {number}", name=f"Coach {bus['seats']}",
        seats=bus["seats"], wheelchair_places=bus["wheelchair_places"], rules=RULES, in_service=True,
    )  # fmt: skip
    await fleet.add_vehicle(conn, vehicle)
    hire = bus["hire"]
    card = RateCard(
        id=new_id(), vehicle_id=vehicle.id, currency=CURRENCY, valid_from=(now - timedelta(days=30)).date(),
        call_out_minor=hire["call_out"], per_km_minor=hire["per_km"], per_h_minor=hire["per_h"],
        standby_per_h_minor=hire["standby_per_h"], minimum_minor=hire["minimum"], second_driver_minor=hire["second_driver"],
    )  # fmt: skip
    await fleet.add_rate_card(conn, card)
