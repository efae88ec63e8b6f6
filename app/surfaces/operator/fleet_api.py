"""The operators' JSON API: depots, vehicles, rate cards, calendar and drivers."""

from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from app.core.clock import busload_now
from app.core.database import Pool
from app.domain.fleet import store as fleet
from app.domain.fleet.model import Availability, Depot, Driver, RateCard, SpanKind
from app.flows import keep_fleet
from app.flows.keep_fleet import CardWish, VehicleWish
from app.surfaces.operator.reading import choose_operator, read_vehicles
from app.surfaces.operator.views import VehicleView
from app.web.actors import CurrentActor

CALENDAR = timedelta(days=550)


class NewDepot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where vehicles start and end."""

    name: str
    lat: float
    lon: float
    operator_id: UUID | None = None


class NewVehicle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bus; `rules` is a driver-hours rule set such as `eu-561`."""

    depot_id: UUID
    plate: str
    name: str
    seats: int
    rules: str
    wheelchair_places: int = 0
    operator_id: UUID | None = None


class VehicleChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In service or not."""

    in_service: bool


class NewRateCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A hire price from a day on, minor units: per kilometre, per hour on duty, per standby hour."""

    currency: str
    valid_from: date
    call_out_minor: int
    per_km_minor: int
    per_h_minor: int
    standby_per_h_minor: int
    minimum_minor: int = 0
    second_driver_minor: int = 0


class NewSpan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stretch in which a vehicle is for hire (`available`) or is not (`blocked`). Times carry an offset.

    A vehicle without any `available` span is for hire whenever it is not blocked.
    """

    kind: SpanKind
    starts_at: datetime
    ends_at: datetime
    note: str = ""


class NewDriver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Someone who drives; links are mailed to `email`."""

    name: str
    email: str
    phone: str
    operator_id: UUID | None = None


class DriverChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Driving for the company or not any more."""

    active: bool


@get("/api/operator/depots", tags=["operator"])
async def list_depots(pool: NamedDependency[Pool], actor: CurrentActor) -> list[Depot]:
    """One's depots."""
    async with pool.acquire() as conn:
        return await fleet.list_depots(conn, sorted(actor.require_operators()))


@post("/api/operator/depots", tags=["operator"])
async def post_depot(data: JSONBody[NewDepot], pool: NamedDependency[Pool], actor: CurrentActor) -> Depot:
    """Adds a depot."""
    operator_id = choose_operator(actor, data.operator_id)
    return await keep_fleet.add_depot(pool, operator_id=operator_id, name=data.name, lat=data.lat, lon=data.lon, actor=actor.audit_name)


@get("/api/operator/vehicles", tags=["operator"])
async def list_vehicles(pool: NamedDependency[Pool], actor: CurrentActor) -> list[VehicleView]:
    """One's vehicles."""
    async with pool.acquire() as conn:
        return await read_vehicles(conn, actor.require_operators())


@post("/api/operator/vehicles", tags=["operator"])
async def post_vehicle(data: JSONBody[NewVehicle], pool: NamedDependency[Pool], actor: CurrentActor) -> VehicleView:
    """Adds a vehicle; it is asked for once it has a rate card in an event's currency."""
    operator_id = choose_operator(actor, data.operator_id)
    wish = VehicleWish(**{name: getattr(data, name) for name in VehicleWish.__struct_fields__})
    vehicle = await keep_fleet.add_vehicle(pool, wish, operator_id=operator_id, actor=actor.audit_name)
    return await show(pool, actor, vehicle.id)


async def show(pool: Pool, actor: CurrentActor, vehicle_id: UUID) -> VehicleView:
    """One vehicle as it is now."""
    async with pool.acquire() as conn:
        return next(view for view in await read_vehicles(conn, actor.require_operators()) if view.id == vehicle_id)


@patch("/api/operator/vehicles/{vehicle_id:uuid}", tags=["operator"])
async def patch_vehicle(
    vehicle_id: FromPath[UUID], data: JSONBody[VehicleChange], pool: NamedDependency[Pool], actor: CurrentActor
) -> VehicleView:
    """Takes a vehicle out of service, or back in."""
    mine = actor.require_operators()
    await keep_fleet.set_in_service(pool, vehicle_id, operator_ids=mine, in_service=data.in_service, actor=actor.audit_name)
    return await show(pool, actor, vehicle_id)


@get("/api/operator/rate-cards", tags=["operator"])
async def list_rate_cards(pool: NamedDependency[Pool], actor: CurrentActor) -> list[RateCard]:
    """The prices of one's vehicles, the newest first."""
    async with pool.acquire() as conn:
        return await fleet.list_rate_cards(conn, sorted(actor.require_operators()))


@post("/api/operator/vehicles/{vehicle_id:uuid}/rate-cards", tags=["operator"])
async def post_rate_card(
    vehicle_id: FromPath[UUID], data: JSONBody[NewRateCard], pool: NamedDependency[Pool], actor: CurrentActor
) -> RateCard:
    """Sets a vehicle's price from a day on; offers already out keep theirs."""
    mine = actor.require_operators()
    return await keep_fleet.add_rate_card(
        pool, vehicle_id, CardWish(**msgspec.structs.asdict(data)), operator_ids=mine, actor=actor.audit_name
    )


@get("/api/operator/vehicles/{vehicle_id:uuid}/availability", tags=["operator"])
async def list_availability(vehicle_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> list[Availability]:
    """A vehicle's calendar from now on."""
    async with pool.acquire() as conn:
        vehicle = await keep_fleet.own_vehicle(conn, vehicle_id, actor.require_operators())
        now = await busload_now(conn)
        return await fleet.list_availability(conn, [vehicle.id], starts_at=now, ends_at=now + CALENDAR)


@post("/api/operator/vehicles/{vehicle_id:uuid}/availability", tags=["operator"])
async def post_span(vehicle_id: FromPath[UUID], data: JSONBody[NewSpan], pool: NamedDependency[Pool], actor: CurrentActor) -> Availability:
    """Enters a stretch in a vehicle's calendar."""
    mine = actor.require_operators()
    return await keep_fleet.add_span(pool, vehicle_id, **msgspec.structs.asdict(data), operator_ids=mine, actor=actor.audit_name)


@delete("/api/operator/availability/{span_id:uuid}", tags=["operator"])
async def delete_span(span_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> None:
    """Removes a stretch."""
    await keep_fleet.drop_span(pool, span_id, operator_ids=actor.require_operators(), actor=actor.audit_name)


@get("/api/operator/drivers", tags=["operator"])
async def list_drivers(pool: NamedDependency[Pool], actor: CurrentActor) -> list[Driver]:
    """One's drivers."""
    async with pool.acquire() as conn:
        return await fleet.list_drivers(conn, sorted(actor.require_operators()))


@post("/api/operator/drivers", tags=["operator"])
async def post_driver(data: JSONBody[NewDriver], pool: NamedDependency[Pool], actor: CurrentActor) -> Driver:
    """Adds a driver."""
    operator_id = choose_operator(actor, data.operator_id)
    return await keep_fleet.add_driver(
        pool, operator_id=operator_id, name=data.name, email=data.email, phone=data.phone, actor=actor.audit_name
    )


@patch("/api/operator/drivers/{driver_id:uuid}", tags=["operator"])
async def patch_driver(driver_id: FromPath[UUID], data: JSONBody[DriverChange], pool: NamedDependency[Pool], actor: CurrentActor) -> Driver:
    """Says that a driver has left, or is back."""
    mine = actor.require_operators()
    return await keep_fleet.set_driver_active(pool, driver_id, operator_ids=mine, active=data.active, actor=actor.audit_name)


ROUTES = [
    list_depots,
    post_depot,
    list_vehicles,
    post_vehicle,
    patch_vehicle,
    list_rate_cards,
    post_rate_card,
    list_availability,
    post_span,
    delete_span,
    list_drivers,
    post_driver,
    patch_driver,
]
