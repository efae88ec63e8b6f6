"""An operator keeps its fleet: depots, vehicles, rate cards, calendar and drivers. Each change stands in the audit trail."""

from collections.abc import Collection
from datetime import date, datetime
from uuid import UUID

import asyncpg
import msgspec

from app.core.audit import act_as, record_change
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict, Invalid, NotFound
from app.core.ids import new_id
from app.core.inputs import LONGEST_NOTE, LONGEST_PHONE, is_line, is_moment
from app.domain.accounts.model import looks_like_email
from app.domain.fleet import store
from app.domain.fleet.model import Availability, Depot, Driver, PayTerms, RateCard, SpanKind, Vehicle

MAX_MINOR = 100_000_000
MAX_VAT_BP = 5_000
LONGEST_PLATE = 20
CODE_OF_CURRENCY = 3
MAX_LAT, MAX_LON = 90, 180
MAX_SEATS, MAX_WHEELCHAIR_PLACES = 150, 20


class VehicleWish(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle to add; `rules` names the driver-hours rule set it runs under."""

    depot_id: UUID
    plate: str
    name: str
    seats: int
    wheelchair_places: int
    rules: str


class CardWish(msgspec.Struct, frozen=True, kw_only=True):
    """A hire price from a day on, minor units."""

    currency: str
    valid_from: date
    call_out_minor: int
    per_km_minor: int
    per_h_minor: int
    standby_per_h_minor: int
    minimum_minor: int
    second_driver_minor: int


async def set_pay_terms(pool: Pool, operator_id: UUID, terms: PayTerms, *, actor: str) -> None:
    """How an operator is paid for duties that end from now on. Raises NotFound."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "pay terms set")
        if not await store.set_pay_terms(conn, operator_id, terms):
            raise NotFound("There is no such operator.", code="unknown_operator")
        await record_change(conn, "operator", operator_id, "pay terms", {"vat_bp": terms.vat_bp, "reserve_bp": terms.reserve_bp})


async def set_vat(pool: Pool, operator_id: UUID, *, vat_bp: int, actor: str) -> PayTerms:
    """The tax an operator says is contained in its hires, basis points; for duties that end from now on. Its reserve stays. Invalid."""
    if not 0 <= vat_bp <= MAX_VAT_BP:
        raise Invalid.field("vat_percent", f"The rate is a percentage from 0 to {MAX_VAT_BP // 100}.")
    async with transaction(pool) as conn:
        await act_as(conn, actor, "tax rate set")
        terms = await store.set_vat(conn, operator_id, vat_bp)
        if terms is None:
            raise NotFound("There is no such operator.", code="unknown_operator")
        await record_change(conn, "operator", operator_id, "pay terms", {"vat_bp": terms.vat_bp, "reserve_bp": terms.reserve_bp})
        return terms


async def add_depot(pool: Pool, *, operator_id: UUID, name: str, lat: float, lon: float, actor: str) -> Depot:
    """A new depot; Invalid."""
    check_place(name, lat, lon)
    depot = Depot(id=new_id(), operator_id=operator_id, name=name.strip(), lat=lat, lon=lon)
    async with transaction(pool) as conn:
        await act_as(conn, actor, "depot added")
        await store.add_depot(conn, depot)
        await record_change(conn, "depot", depot.id, "added", {"operator": str(operator_id)})
    return depot


def check_place(name: str, lat: float, lon: float) -> None:
    """A name, and coordinates on this planet."""
    if not is_line(name):
        raise Invalid.field("name", "Give it a name your drivers know: one line of at most 120 characters.")
    if not -MAX_LAT <= lat <= MAX_LAT:
        raise Invalid.field("lat", "A latitude is between -90 and 90 degrees.")
    if not -MAX_LON <= lon <= MAX_LON:
        raise Invalid.field("lon", "A longitude is between -180 and 180 degrees.")


async def add_vehicle(pool: Pool, wish: VehicleWish, *, operator_id: UUID, actor: str) -> Vehicle:
    """A new vehicle in service; Invalid, NotFound `unknown_depot`, Conflict `plate_taken`."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "vehicle added")
        await check_vehicle(conn, wish, operator_id)
        vehicle = Vehicle(id=new_id(), operator_id=operator_id, in_service=True, **msgspec.structs.asdict(wish))
        try:
            await store.add_vehicle(conn, vehicle)
        except asyncpg.UniqueViolationError:
            raise Conflict(f"You have a vehicle with the plate {wish.plate} already.", code="plate_taken") from None
        await record_change(conn, "vehicle", vehicle.id, "in_service", {"operator": str(operator_id), "plate": wish.plate})
        return vehicle


async def check_vehicle(conn: Connection, wish: VehicleWish, operator_id: UUID) -> None:
    """Refuses what no bus is, a depot that is not one's own and rules nobody knows."""
    if not is_line(wish.plate, LONGEST_PLATE) or not is_line(wish.name):
        raise Invalid.field(
            "name" if is_line(wish.plate, LONGEST_PLATE) else "plate", "Please fill this in: riders and drivers look for it."
        )
    if not 1 <= wish.seats <= MAX_SEATS:
        raise Invalid.field("seats", "A vehicle has 1 to 150 seats.")
    if not 0 <= wish.wheelchair_places <= MAX_WHEELCHAIR_PLACES:
        raise Invalid.field("wheelchair_places", "A vehicle has 0 to 20 wheelchair places.")
    if wish.depot_id not in {depot.id for depot in await store.list_depots(conn, [operator_id])}:
        raise NotFound("You have no such depot. Add the depot first.", code="unknown_depot")
    known = [rule.name for rule in await store.list_all_driver_rules(conn)]
    if wish.rules not in known:
        raise Invalid.field("rules", f"Driver-hours rules are one of: {', '.join(known)}.", code="unknown_rules")


async def set_in_service(pool: Pool, vehicle_id: UUID, *, operator_ids: Collection[UUID], in_service: bool, actor: str) -> Vehicle:
    """Takes a vehicle out of service (no new plan asks for it) or back; NotFound `unknown_vehicle`."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "vehicle back in service" if in_service else "vehicle out of service")
        vehicle = await own_vehicle(conn, vehicle_id, operator_ids)
        await store.set_in_service(conn, vehicle_id, in_service=in_service)
        await record_change(conn, "vehicle", vehicle_id, "in_service" if in_service else "out_of_service", {})
        return msgspec.structs.replace(vehicle, in_service=in_service)


async def own_vehicle(conn: Connection, vehicle_id: UUID, operator_ids: Collection[UUID]) -> Vehicle:
    """A vehicle of one of these operators; NotFound `unknown_vehicle`."""
    vehicle = await store.get_vehicle(conn, vehicle_id)
    if vehicle is None or vehicle.operator_id not in operator_ids:
        raise NotFound("There is no such vehicle, or it is not yours.", code="unknown_vehicle")
    return vehicle


async def add_rate_card(pool: Pool, vehicle_id: UUID, wish: CardWish, *, operator_ids: Collection[UUID], actor: str) -> RateCard:
    """A price from a day on; one from the same day in the same currency is replaced. Offers already out keep theirs."""
    check_card(wish)
    async with transaction(pool) as conn:
        await act_as(conn, actor, "rate card set")
        await own_vehicle(conn, vehicle_id, operator_ids)
        card = RateCard(id=new_id(), vehicle_id=vehicle_id, **msgspec.structs.asdict(wish))
        await store.add_rate_card(conn, card)
        await record_change(conn, "rate_card", vehicle_id, wish.valid_from.isoformat(), msgspec.to_builtins(wish))
        return card


def check_card(wish: CardWish) -> None:
    """A currency and amounts that can be paid."""
    if len(wish.currency) != CODE_OF_CURRENCY or not wish.currency.isascii() or not wish.currency.isupper():
        raise Invalid.field("currency", "A currency is three capital letters, such as EUR.")
    for name in ("call_out_minor", "per_km_minor", "per_h_minor", "standby_per_h_minor", "minimum_minor", "second_driver_minor"):
        if not 0 <= getattr(wish, name) <= MAX_MINOR:
            raise Invalid.field(name, f"An amount is between 0 and {MAX_MINOR:,} minor units.")


async def add_span(
    pool: Pool,
    vehicle_id: UUID,
    *,
    kind: SpanKind,
    starts_at: datetime,
    ends_at: datetime,
    note: str,
    operator_ids: Collection[UUID],
    actor: str,
) -> Availability:
    """A stretch in which a vehicle is for hire, or is not; Invalid `bad_span`, NotFound `unknown_vehicle`."""
    if len(note) > LONGEST_NOTE:
        raise Invalid.field("note", f"A note has at most {LONGEST_NOTE} characters.")
    if not is_moment(starts_at) or not is_moment(ends_at) or starts_at >= ends_at:
        raise Invalid.field("ends_at", "The end must be after the start; both with their offset.", code="bad_span")
    async with transaction(pool) as conn:
        await act_as(conn, actor, f"calendar: {kind.value}")
        await own_vehicle(conn, vehicle_id, operator_ids)
        span = Availability(id=new_id(), vehicle_id=vehicle_id, kind=kind, starts_at=starts_at, ends_at=ends_at, note=note)
        await store.add_availability(conn, span)
        await record_change(conn, "vehicle", vehicle_id, kind.value, {"starts_at": starts_at.isoformat(), "ends_at": ends_at.isoformat()})
        return span


async def drop_span(pool: Pool, span_id: UUID, *, operator_ids: Collection[UUID], actor: str) -> None:
    """Forgets a stretch; NotFound `unknown_span`."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "calendar: span removed")
        if not await store.drop_availability(conn, span_id, operator_ids=sorted(operator_ids)):
            raise NotFound("There is no such entry in your calendar.", code="unknown_span")
        await record_change(conn, "availability", span_id, "removed", {})


async def add_driver(pool: Pool, *, operator_id: UUID, name: str, email: str, phone: str, actor: str) -> Driver:
    """A new driver; Invalid, Conflict `driver_known`."""
    if not is_line(name):
        raise Invalid.field("name", "Please give the driver's name: one line of at most 120 characters.")
    if not looks_like_email(email):
        raise Invalid.field("email", "This is no e-mail address; the driver's link is mailed to it.", code="bad_email")
    if not is_line(phone, LONGEST_PHONE):
        raise Invalid.field("phone", "Please give a number: the dispatcher calls it on the day.")
    driver = Driver(id=new_id(), operator_id=operator_id, name=name.strip(), email=email.strip(), phone=phone.strip(), active=True)
    async with transaction(pool) as conn:
        await act_as(conn, actor, "driver added")
        try:
            await store.add_driver(conn, driver)
        except asyncpg.UniqueViolationError:
            raise Conflict("You have a driver with this e-mail address already.", code="driver_known") from None
        await record_change(conn, "driver", driver.id, "active", {"operator": str(operator_id)})
    return driver


async def set_driver_active(pool: Pool, driver_id: UUID, *, operator_ids: Collection[UUID], active: bool, actor: str) -> Driver:
    """Marks a driver as driving for one or not any more; NotFound `unknown_driver`."""
    async with transaction(pool) as conn:
        await act_as(conn, actor, "driver active" if active else "driver left")
        driver = await store.get_driver(conn, driver_id)
        if driver is None or driver.operator_id not in operator_ids:
            raise NotFound("There is no such driver among yours.", code="unknown_driver")
        await store.set_driver_active(conn, driver_id, active=active)
        await record_change(conn, "driver", driver_id, "active" if active else "inactive", {})
        return msgspec.structs.replace(driver, active=active)
