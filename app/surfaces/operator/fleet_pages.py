"""The bus company's pages about what it has: depots, vehicles with prices and calendar, drivers."""

from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.core.clock import busload_now
from app.core.database import Pool
from app.core.errors import Invalid, Refusal
from app.core.money import minor_digits
from app.core.zones import ZoneUnknown, read_zone
from app.domain.fleet import store as fleet
from app.domain.fleet.model import SpanKind
from app.flows import keep_fleet
from app.flows.keep_fleet import CardWish, VehicleWish
from app.surfaces.operator.frame import frame_of
from app.surfaces.operator.reading import choose_operator, read_operators, read_vehicles
from app.web.actors import Actor, CurrentActor
from app.web.forms import read_form
from app.web.pages import errors_by_field, page, see_other

AnyRequest = Request[Any, Any, Any]
CALENDAR = timedelta(days=550)
ZONES = {"US": "America/New_York", "GB": "Europe/London", "DE": "Europe/Berlin", "FR": "Europe/Paris", "NL": "Europe/Amsterdam"}
CURRENCIES = {"US": "USD", "GB": "GBP"}


class DepotForm(msgspec.Struct, frozen=True, kw_only=True):
    """A new depot; `depot_name`, because the page has a vehicle's `name` as well."""

    operator_id: UUID
    depot_name: str
    lat: float
    lon: float


class VehicleForm(msgspec.Struct, frozen=True, kw_only=True):
    """A new vehicle."""

    depot_id: UUID
    name: str
    plate: str
    seats: int
    wheelchair_places: int
    rules: str


class CardForm(msgspec.Struct, frozen=True, kw_only=True):
    """A price in the currency's own units, such as 250 or 250.00."""

    currency: str
    valid_from: date
    call_out: str
    per_km: str
    per_h: str
    standby_per_h: str
    minimum: str = "0"
    second_driver: str = "0"


class SpanForm(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch on the wall clock of a zone."""

    kind: SpanKind
    starts: str  # what a browser sends has no seconds
    ends: str
    zone: str
    note: str = ""


class ServiceForm(msgspec.Struct, frozen=True, kw_only=True):
    """In service or not."""

    in_service: bool


class DriverForm(msgspec.Struct, frozen=True, kw_only=True):
    """A new driver."""

    operator_id: UUID
    name: str
    email: str
    phone: str


class ActiveForm(msgspec.Struct, frozen=True, kw_only=True):
    """Driving for us or not."""

    active: bool


def amount_of(field: str, text: str, currency: str) -> int:
    """An amount as people write it in minor units; Invalid naming the field."""
    try:
        minor = Decimal(text.replace(",", "")).scaleb(minor_digits(currency))
    except InvalidOperation:
        raise Invalid.field(field, "Please enter an amount, such as 250 or 250.00.") from None
    if not minor.is_finite() or minor != minor.to_integral_value():
        raise Invalid.field(field, "This has more decimals than the currency.")
    return int(minor)


def moment_of(field: str, wall: str, zone: str) -> datetime:
    """A wall-clock time of a zone as a moment; Invalid naming the field."""
    try:
        return datetime.fromisoformat(wall).replace(tzinfo=read_zone(zone))
    except ZoneUnknown:
        raise Invalid.field("zone", "This is no time zone; one is America/New_York, another Europe/Berlin.") from None
    except ValueError:
        raise Invalid.field(field, "Use a date and time such as 2027-01-21 10:00.") from None


async def typed_by(request: AnyRequest) -> dict[str, str]:
    """What was typed, to be shown again."""
    return {key: str(value) for key, value in (await request.form()).items()}


async def fleet_page(request: AnyRequest, pool: Pool, actor: Actor, *, refused: Refusal | None = None, about: str = "") -> Response[Any]:
    """Depots and vehicles; after a refusal the form it was for, `about`, with what was typed."""
    async with pool.acquire() as conn:
        companies = await read_operators(conn, actor)
        mine = [company.id for company in companies]
        depots = await fleet.list_depots(conn, mine)
        vehicles = await read_vehicles(conn, mine)
        cards = await fleet.list_rate_cards(conn, mine)
        rules = [rule.name for rule in await fleet.list_all_driver_rules(conn)]
        today = (await busload_now(conn)).date()
    return page(
        request,
        "operator/fleet.html",
        status=refused.status if refused else 200,
        **frame_of(actor, "/operator/fleet"),
        companies=companies,
        depots=depots,
        vehicles=vehicles,
        priced={card.vehicle_id for card in cards},
        rules=rules,
        today=today,
        faults={"depot_name" if about == "depot" and field == "name" else field: text for field, text in faults_of(refused).items()},
        about=about,
        given=await typed_by(request) if refused else {},
    )


def faults_of(refused: Refusal | None) -> dict[str, str]:
    """Faults by field; a refusal that names none stands above the form."""
    if refused is None:
        return {}
    return errors_by_field(refused) if isinstance(refused, Invalid) else {"": refused.detail}


@get("/operator/fleet", include_in_schema=False)
async def show_fleet(request: AnyRequest, pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Depots and vehicles."""
    return await fleet_page(request, pool, actor)


@post("/operator/depots", include_in_schema=False, status_code=200)
async def make_depot(request: AnyRequest, pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Adds a depot."""
    try:
        form = await read_form(request, DepotForm)
        operator_id = choose_operator(actor, form.operator_id)
        await keep_fleet.add_depot(pool, operator_id=operator_id, name=form.depot_name, lat=form.lat, lon=form.lon, actor=actor.audit_name)
    except Invalid as invalid:
        return await fleet_page(request, pool, actor, refused=invalid, about="depot")
    return see_other("/operator/fleet", flash="saved")


@post("/operator/vehicles", include_in_schema=False, status_code=200)
async def make_vehicle(request: AnyRequest, pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Adds a vehicle; it belongs to its depot's company."""
    mine = sorted(actor.require_operators())
    try:
        form = await read_form(request, VehicleForm)
        async with pool.acquire() as conn:
            owners = {depot.id: depot.operator_id for depot in await fleet.list_depots(conn, mine)}
        operator_id = owners.get(form.depot_id, mine[0])
        vehicle = await keep_fleet.add_vehicle(
            pool, VehicleWish(**msgspec.structs.asdict(form)), operator_id=operator_id, actor=actor.audit_name
        )
    except Refusal as refused:
        return await fleet_page(request, pool, actor, refused=refused, about="vehicle")
    return see_other(f"/operator/vehicles/{vehicle.id}", flash="saved")


async def vehicle_page(
    request: AnyRequest, pool: Pool, actor: Actor, vehicle_id: UUID, *, refused: Invalid | None = None, about: str = ""
) -> Response[Any]:
    """A vehicle with prices and calendar; after a refusal the form it was for with what was typed."""
    async with pool.acquire() as conn:
        vehicle = await keep_fleet.own_vehicle(conn, vehicle_id, actor.require_operators())
        view = next(one for one in await read_vehicles(conn, [vehicle.operator_id]) if one.id == vehicle_id)
        company = await fleet.get_operator(conn, vehicle.operator_id)
        assert company is not None, "a vehicle has an operator"
        now = await busload_now(conn)
        cards = [card for card in await fleet.list_rate_cards(conn, [company.id]) if card.vehicle_id == vehicle_id]
        spans = await fleet.list_availability(conn, [vehicle_id], starts_at=now, ends_at=now + CALENDAR)
    return page(
        request,
        "operator/vehicle.html",
        status=refused.status if refused else 200,
        **frame_of(actor, "/operator/fleet"),
        vehicle=view,
        cards=cards,
        spans=spans,
        zone=ZONES.get(company.country, "UTC"),
        currency=CURRENCIES.get(company.country, "EUR"),
        today=now.date(),
        faults=faults_of(refused),
        about=about,
        given=await typed_by(request) if refused else {},
    )


@get("/operator/vehicles/{vehicle_id:uuid}", include_in_schema=False)
async def show_vehicle(request: AnyRequest, vehicle_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """A vehicle with prices and calendar."""
    return await vehicle_page(request, pool, actor, vehicle_id)


@post("/operator/vehicles/{vehicle_id:uuid}/service", include_in_schema=False)
async def set_service(request: AnyRequest, vehicle_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Takes a vehicle out of service, or back in."""
    form, mine = await read_form(request, ServiceForm), actor.require_operators()
    await keep_fleet.set_in_service(pool, vehicle_id, operator_ids=mine, in_service=form.in_service, actor=actor.audit_name)
    return see_other(f"/operator/vehicles/{vehicle_id}", flash="saved")


@post("/operator/vehicles/{vehicle_id:uuid}/rate-cards", include_in_schema=False, status_code=200)
async def set_price(request: AnyRequest, vehicle_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Sets a price from a day on."""
    mine = actor.require_operators()
    try:
        form = await read_form(request, CardForm)
        currency = form.currency.upper()
        wish = CardWish(
            currency=currency,
            valid_from=form.valid_from,
            call_out_minor=amount_of("call_out", form.call_out, currency),
            per_km_minor=amount_of("per_km", form.per_km, currency),
            per_h_minor=amount_of("per_h", form.per_h, currency),
            standby_per_h_minor=amount_of("standby_per_h", form.standby_per_h, currency),
            minimum_minor=amount_of("minimum", form.minimum, currency),
            second_driver_minor=amount_of("second_driver", form.second_driver, currency),
        )
        await keep_fleet.add_rate_card(pool, vehicle_id, wish, operator_ids=mine, actor=actor.audit_name)
    except Invalid as invalid:
        return await vehicle_page(request, pool, actor, vehicle_id, refused=invalid, about="card")
    return see_other(f"/operator/vehicles/{vehicle_id}", flash="saved")


@post("/operator/vehicles/{vehicle_id:uuid}/availability", include_in_schema=False, status_code=200)
async def enter_span(request: AnyRequest, vehicle_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Enters a stretch in the calendar."""
    mine = actor.require_operators()
    try:
        form = await read_form(request, SpanForm)
        await keep_fleet.add_span(
            pool,
            vehicle_id,
            kind=form.kind,
            starts_at=moment_of("starts", form.starts, form.zone),
            ends_at=moment_of("ends", form.ends, form.zone),
            note=form.note,
            operator_ids=mine,
            actor=actor.audit_name,
        )
    except Invalid as invalid:
        return await vehicle_page(request, pool, actor, vehicle_id, refused=invalid, about="span")
    return see_other(f"/operator/vehicles/{vehicle_id}", flash="saved")


@post("/operator/vehicles/{vehicle_id:uuid}/availability/{span_id:uuid}/remove", include_in_schema=False)
async def remove_span(
    vehicle_id: FromPath[UUID], span_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """Removes a stretch."""
    await keep_fleet.drop_span(pool, span_id, operator_ids=actor.require_operators(), actor=actor.audit_name)
    return see_other(f"/operator/vehicles/{vehicle_id}", flash="saved")


async def drivers_page(request: AnyRequest, pool: Pool, actor: Actor, *, refused: Refusal | None = None) -> Response[Any]:
    """The drivers, and the form for a new one."""
    async with pool.acquire() as conn:
        companies = await read_operators(conn, actor)
        drivers = await fleet.list_drivers(conn, [company.id for company in companies])
    return page(
        request,
        "operator/drivers.html",
        status=refused.status if refused else 200,
        **frame_of(actor, "/operator/drivers"),
        companies=companies,
        drivers=drivers,
        faults=faults_of(refused),
        given=await typed_by(request) if refused else {},
    )


@get("/operator/drivers", include_in_schema=False)
async def show_drivers(request: AnyRequest, pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """The drivers."""
    return await drivers_page(request, pool, actor)


@post("/operator/drivers", include_in_schema=False, status_code=200)
async def make_driver(request: AnyRequest, pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Adds a driver."""
    try:
        form = await read_form(request, DriverForm)
        operator_id = choose_operator(actor, form.operator_id)
        await keep_fleet.add_driver(
            pool, operator_id=operator_id, name=form.name, email=form.email, phone=form.phone, actor=actor.audit_name
        )
    except Refusal as refused:
        return await drivers_page(request, pool, actor, refused=refused)
    return see_other("/operator/drivers", flash="saved")


@post("/operator/drivers/{driver_id:uuid}/active", include_in_schema=False)
async def set_active(request: AnyRequest, driver_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Says that a driver has left, or is back."""
    form, mine = await read_form(request, ActiveForm), actor.require_operators()
    await keep_fleet.set_driver_active(pool, driver_id, operator_ids=mine, active=form.active, actor=actor.audit_name)
    return see_other("/operator/drivers", flash="saved")


ROUTES = [
    show_fleet,
    make_depot,
    make_vehicle,
    show_vehicle,
    set_service,
    set_price,
    enter_span,
    remove_span,
    show_drivers,
    make_driver,
    set_active,
]
