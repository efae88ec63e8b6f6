"""Operators with depots, buses, rate cards, calendars and drivers, from the data file into the database."""

from datetime import date, datetime, timedelta
from random import Random
from uuid import UUID

from app.core.clock import busload_now
from app.core.database import Connection
from app.core.ids import new_id
from app.domain.fleet import store as fleet
from app.domain.fleet.model import Availability, Depot, Driver, Operator, PayTerms, RateCard, SpanKind, Vehicle
from app.stage.world.records import NamesRecord, OperatorRecord, RateRecord

PAPERS_HOLD = timedelta(days=700)
VAT_BP = {"DE": 1900}  # contained in a coach's hire price; zero-rated in the United Kingdom, none in the United States
RESERVE_BP = 1000
RATES_SINCE = timedelta(days=400)


async def add_fleets(
    conn: Connection, operators: list[OperatorRecord], names: dict[str, NamesRecord], *, buses_factor: int = 1
) -> list[UUID]:
    """Adds operators whose code is new; returns the ids of those added. `buses_factor` multiplies every fleet (a rehearsal's crowd)."""
    dice = Random(2017)  # noqa: S311  a world that looks the same on every machine
    now = await busload_now(conn)
    added = []
    for record in operators:
        if await fleet.find_operator(conn, record.code) is None:
            added.append(await add_operator(conn, record, now))
            depot_id = await add_depot(conn, added[-1], record)
            buses = await add_buses(conn, added[-1], depot_id, record, now.date(), buses_factor)
            await block_one(conn, buses, now)
            await add_drivers(conn, added[-1], record, names[record.country], dice, len(buses))
    return added


async def add_operator(conn: Connection, record: OperatorRecord, now: datetime) -> UUID:
    """The company, its papers in order."""
    until = (now + PAPERS_HOLD).date()
    operator = Operator(
        id=new_id(), public_code=record.code, name=record.name, country=record.country, email=record.email, phone=record.phone,
        licence_number=record.licence_number, licence_expires_on=until, insurance_expires_on=until,
    )  # fmt: skip
    await fleet.add_operator(conn, operator)
    await fleet.set_pay_terms(conn, operator.id, PayTerms(vat_bp=VAT_BP.get(record.country, 0), reserve_bp=RESERVE_BP))
    return operator.id


async def add_depot(conn: Connection, operator_id: UUID, record: OperatorRecord) -> UUID:
    """Its yard."""
    depot = Depot(id=new_id(), operator_id=operator_id, name=record.depot.name, lat=record.depot.lat, lon=record.depot.lon)
    await fleet.add_depot(conn, depot)
    return depot.id


async def add_buses(conn: Connection, operator_id: UUID, depot_id: UUID, record: OperatorRecord, today: date, factor: int) -> list[UUID]:
    """Its buses, each with a rate card; a bigger one costs in proportion."""
    buses: list[UUID] = []
    for kind in record.buses:
        for _ in range(kind.count * factor):
            number = len(buses) + 1
            vehicle = Vehicle(
                id=new_id(), operator_id=operator_id, depot_id=depot_id, plate=f"{record.plate} {100 + number}", name=kind.name,
                seats=kind.seats, wheelchair_places=kind.wheelchair_places, rules=record.rules, in_service=True,
            )  # fmt: skip
            await fleet.add_vehicle(conn, vehicle)
            await fleet.add_rate_card(conn, rate_card(vehicle, record, today))
            buses.append(vehicle.id)
    return buses


def rate_card(vehicle: Vehicle, record: OperatorRecord, today: date) -> RateCard:
    """What a bus costs: the operator's card is that of a 50-seater."""
    rates: RateRecord = record.rate_card
    percent = 60 + 40 * vehicle.seats // 50
    return RateCard(
        id=new_id(), vehicle_id=vehicle.id, currency=record.currency, valid_from=today - RATES_SINCE,
        call_out_minor=rates.call_out_minor, per_km_minor=rates.per_km_minor * percent // 100,
        per_h_minor=rates.per_h_minor, standby_per_h_minor=rates.standby_per_h_minor, minimum_minor=rates.minimum_minor,
        second_driver_minor=rates.second_driver_minor,
    )  # fmt: skip


async def block_one(conn: Connection, buses: list[UUID], now: datetime) -> None:
    """One bus of each fleet is in the workshop for the coming week."""
    await fleet.add_availability(
        conn,
        Availability(
            id=new_id(),
            vehicle_id=buses[-1],
            kind=SpanKind.BLOCKED,
            starts_at=now,
            ends_at=now + timedelta(days=7),
            note="workshop: brakes",
        ),
    )


async def add_drivers(
    conn: Connection, operator_id: UUID, record: OperatorRecord, names: NamesRecord, dice: Random, buses: int
) -> None:  # fmt: skip
    """Half as many drivers again as buses, and two more: long duties need two."""
    for number in range(buses * 3 // 2 + 2):
        name = f"{dice.choice(names.first)} {dice.choice(names.last)}"
        await fleet.add_driver(
            conn,
            Driver(
                id=new_id(),
                operator_id=operator_id,
                name=name,
                email=f"driver{number + 1}@{record.code.lower()}.example",
                phone=record.phone[:-2] + f"{number + 10:02}",
                active=True,
            ),
        )
