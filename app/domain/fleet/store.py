"""SQL of operators, depots, vehicles, rate cards, availability and drivers."""

from datetime import date, datetime
from uuid import UUID

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.fleet.model import Availability, Depot, Driver, DriverRules, HireableVehicle, Operator, PayTerms, RateCard, Vehicle


async def add_operator(conn: Connection, operator: Operator) -> None:
    """Stores a new operator."""
    await conn.execute(
        """
        INSERT INTO operators (id, public_code, name, country, email, phone, licence_number, licence_expires_on, insurance_expires_on)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        operator.id,
        operator.public_code,
        operator.name,
        operator.country,
        operator.email,
        operator.phone,
        operator.licence_number,
        operator.licence_expires_on,
        operator.insurance_expires_on,
    )


async def get_operator(conn: Connection, operator_id: UUID) -> Operator | None:
    """An operator by id."""
    return await fetch_maybe(
        conn,
        Operator,
        """
        SELECT id, public_code, name, country, email, phone, licence_number, licence_expires_on, insurance_expires_on
        FROM operators WHERE id = $1
        """,
        operator_id,
    )


async def find_operator(conn: Connection, public_code: str | None) -> Operator | None:
    """The operator behind a public code, or the first one when no code is given."""
    return await fetch_maybe(
        conn,
        Operator,
        """
        SELECT id, public_code, name, country, email, phone, licence_number, licence_expires_on, insurance_expires_on
        FROM operators WHERE $1::text IS NULL OR public_code = $1 ORDER BY id LIMIT 1
        """,
        public_code,
    )


async def list_operators(conn: Connection, operator_ids: list[UUID]) -> list[Operator]:
    """These operators by name."""
    return await fetch_all(
        conn,
        Operator,
        """
        SELECT id, public_code, name, country, email, phone, licence_number, licence_expires_on, insurance_expires_on
        FROM operators WHERE id = ANY($1) ORDER BY name, id
        """,
        operator_ids,
    )


async def get_pay_terms(conn: Connection, operator_id: UUID) -> PayTerms | None:
    """How an operator is paid."""
    return await fetch_maybe(conn, PayTerms, "SELECT vat_bp, reserve_bp FROM operators WHERE id = $1", operator_id)


async def set_pay_terms(conn: Connection, operator_id: UUID, terms: PayTerms) -> bool:
    """For hires from now on; False when there is no such operator."""
    changed = await conn.fetchval(
        "UPDATE operators SET vat_bp = $2, reserve_bp = $3 WHERE id = $1 RETURNING true", operator_id, terms.vat_bp, terms.reserve_bp
    )
    return bool(changed)


async def set_vat(conn: Connection, operator_id: UUID, vat_bp: int) -> PayTerms | None:
    """The tax contained in hires from now on; returns how the operator is paid then, None when there is no such operator."""
    return await fetch_maybe(
        conn, PayTerms, "UPDATE operators SET vat_bp = $2 WHERE id = $1 RETURNING vat_bp, reserve_bp", operator_id, vat_bp
    )


async def add_depot(conn: Connection, depot: Depot) -> None:
    """Stores a new depot."""
    await conn.execute(
        "INSERT INTO depots (id, operator_id, name, lat, lon) VALUES ($1, $2, $3, $4, $5)",
        depot.id,
        depot.operator_id,
        depot.name,
        depot.lat,
        depot.lon,
    )


async def list_depots(conn: Connection, operator_ids: list[UUID]) -> list[Depot]:
    """The depots of these operators by name."""
    return await fetch_all(
        conn, Depot, "SELECT id, operator_id, name, lat, lon FROM depots WHERE operator_id = ANY($1) ORDER BY name, id", operator_ids
    )


async def list_depots_by_id(conn: Connection, depot_ids: list[UUID]) -> list[Depot]:
    """Depots by id."""
    return await fetch_all(conn, Depot, "SELECT id, operator_id, name, lat, lon FROM depots WHERE id = ANY($1) ORDER BY id", depot_ids)


async def add_vehicle(conn: Connection, vehicle: Vehicle) -> None:
    """Stores a new vehicle; asyncpg.UniqueViolationError when the operator has that plate already."""
    await conn.execute(
        """
        INSERT INTO vehicles (id, operator_id, depot_id, plate, name, seats, wheelchair_places, rules, in_service)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        vehicle.id,
        vehicle.operator_id,
        vehicle.depot_id,
        vehicle.plate,
        vehicle.name,
        vehicle.seats,
        vehicle.wheelchair_places,
        vehicle.rules,
        vehicle.in_service,
    )


async def get_vehicle(conn: Connection, vehicle_id: UUID) -> Vehicle | None:
    """A vehicle by id."""
    return await fetch_maybe(
        conn,
        Vehicle,
        """
        SELECT id, operator_id, depot_id, plate, name, seats, wheelchair_places, rules, in_service FROM vehicles WHERE id = $1
        """,
        vehicle_id,
    )


async def list_vehicles(conn: Connection, operator_ids: list[UUID]) -> list[Vehicle]:
    """The vehicles of these operators by name."""
    return await fetch_all(
        conn,
        Vehicle,
        """
        SELECT id, operator_id, depot_id, plate, name, seats, wheelchair_places, rules, in_service
        FROM vehicles WHERE operator_id = ANY($1) ORDER BY name, plate, id
        """,
        operator_ids,
    )


async def list_vehicles_by_id(conn: Connection, vehicle_ids: list[UUID]) -> list[Vehicle]:
    """Vehicles by id."""
    return await fetch_all(
        conn,
        Vehicle,
        """
        SELECT id, operator_id, depot_id, plate, name, seats, wheelchair_places, rules, in_service
        FROM vehicles WHERE id = ANY($1) ORDER BY id
        """,
        vehicle_ids,
    )


async def set_in_service(conn: Connection, vehicle_id: UUID, *, in_service: bool) -> None:
    """Takes a vehicle out of service or puts it back."""
    await conn.execute("UPDATE vehicles SET in_service = $2 WHERE id = $1", vehicle_id, in_service)


async def add_rate_card(conn: Connection, card: RateCard) -> None:
    """Stores a rate card; one that began on the same day in the same currency is replaced."""
    await conn.execute(
        """
        INSERT INTO rate_cards (id, vehicle_id, currency, valid_from, call_out_minor, per_km_minor, per_h_minor, standby_per_h_minor,
            minimum_minor, second_driver_minor)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (vehicle_id, currency, valid_from) DO UPDATE SET call_out_minor = excluded.call_out_minor,
            per_km_minor = excluded.per_km_minor, per_h_minor = excluded.per_h_minor, standby_per_h_minor = excluded.standby_per_h_minor,
            minimum_minor = excluded.minimum_minor, second_driver_minor = excluded.second_driver_minor
        """,
        card.id,
        card.vehicle_id,
        card.currency,
        card.valid_from,
        card.call_out_minor,
        card.per_km_minor,
        card.per_h_minor,
        card.standby_per_h_minor,
        card.minimum_minor,
        card.second_driver_minor,
    )


async def list_rate_cards(conn: Connection, operator_ids: list[UUID]) -> list[RateCard]:
    """Every rate card of these operators' vehicles, the newest first."""
    return await fetch_all(
        conn,
        RateCard,
        """
        SELECT r.id, r.vehicle_id, r.currency, r.valid_from, r.call_out_minor, r.per_km_minor, r.per_h_minor, r.standby_per_h_minor,
               r.minimum_minor, r.second_driver_minor
        FROM rate_cards r JOIN vehicles v ON v.id = r.vehicle_id
        WHERE v.operator_id = ANY($1) ORDER BY r.vehicle_id, r.currency, r.valid_from DESC
        """,
        operator_ids,
    )


async def list_hireable(conn: Connection, *, currency: str, day: date) -> list[HireableVehicle]:
    """Vehicles in service of operators whose licence and insurance hold on that day, with the newest card valid then."""
    return await fetch_all(
        conn,
        HireableVehicle,
        """
        SELECT v.id, v.operator_id, v.depot_id, d.lat AS depot_lat, d.lon AS depot_lon, v.seats, v.wheelchair_places, v.rules,
               r.call_out_minor, r.per_km_minor, r.per_h_minor, r.standby_per_h_minor, r.minimum_minor, r.second_driver_minor
        FROM vehicles v
        JOIN operators o ON o.id = v.operator_id
        JOIN depots d ON d.id = v.depot_id
        JOIN LATERAL (
            SELECT call_out_minor, per_km_minor, per_h_minor, standby_per_h_minor, minimum_minor, second_driver_minor
            FROM rate_cards WHERE vehicle_id = v.id AND currency = $1 AND valid_from <= $2
            ORDER BY valid_from DESC LIMIT 1
        ) r ON true
        WHERE v.in_service AND o.licence_expires_on >= $2 AND o.insurance_expires_on >= $2
        ORDER BY v.id
        """,
        currency,
        day,
    )


async def add_availability(conn: Connection, span: Availability) -> None:
    """Stores a span."""
    await conn.execute(
        "INSERT INTO availability (id, vehicle_id, kind, during, note) VALUES ($1, $2, $3, tstzrange($4, $5), $6)",
        span.id,
        span.vehicle_id,
        span.kind.value,
        span.starts_at,
        span.ends_at,
        span.note,
    )


async def drop_availability(conn: Connection, span_id: UUID, *, operator_ids: list[UUID]) -> bool:
    """Forgets a span of one of these operators' vehicles; False when there is none."""
    dropped = await conn.fetchval(
        """
        DELETE FROM availability a USING vehicles v
        WHERE a.id = $1 AND v.id = a.vehicle_id AND v.operator_id = ANY($2) RETURNING true
        """,
        span_id,
        operator_ids,
    )
    return bool(dropped)


async def list_availability(conn: Connection, vehicle_ids: list[UUID], *, starts_at: datetime, ends_at: datetime) -> list[Availability]:
    """The spans of these vehicles that touch a stretch of time, in order."""
    return await fetch_all(
        conn,
        Availability,
        """
        SELECT id, vehicle_id, kind, lower(during) AS starts_at, upper(during) AS ends_at, note
        FROM availability WHERE vehicle_id = ANY($1) AND during && tstzrange($2, $3) ORDER BY vehicle_id, during, id
        """,
        vehicle_ids,
        starts_at,
        ends_at,
    )


async def list_offered_vehicles(conn: Connection, vehicle_ids: list[UUID]) -> set[UUID]:
    """Which of these vehicles have any span of kind `available` at all, whenever it is."""
    rows = await conn.fetch("SELECT DISTINCT vehicle_id FROM availability WHERE vehicle_id = ANY($1) AND kind = 'available'", vehicle_ids)
    return {row["vehicle_id"] for row in rows}


async def add_driver(conn: Connection, driver: Driver) -> None:
    """Stores a new driver; asyncpg.UniqueViolationError when the operator has that address already."""
    await conn.execute(
        "INSERT INTO drivers (id, operator_id, name, email, phone, active) VALUES ($1, $2, $3, $4, $5, $6)",
        driver.id,
        driver.operator_id,
        driver.name,
        driver.email,
        driver.phone,
        driver.active,
    )


async def get_driver(conn: Connection, driver_id: UUID) -> Driver | None:
    """A driver by id."""
    return await fetch_maybe(conn, Driver, "SELECT id, operator_id, name, email, phone, active FROM drivers WHERE id = $1", driver_id)


async def list_drivers(conn: Connection, operator_ids: list[UUID]) -> list[Driver]:
    """The drivers of these operators by name."""
    return await fetch_all(
        conn,
        Driver,
        "SELECT id, operator_id, name, email, phone, active FROM drivers WHERE operator_id = ANY($1) ORDER BY name, id",
        operator_ids,
    )


async def list_drivers_by_id(conn: Connection, driver_ids: list[UUID]) -> list[Driver]:
    """Drivers by id."""
    return await fetch_all(
        conn, Driver, "SELECT id, operator_id, name, email, phone, active FROM drivers WHERE id = ANY($1) ORDER BY name, id", driver_ids
    )


async def set_driver_active(conn: Connection, driver_id: UUID, *, active: bool) -> None:
    """Marks a driver as working for the operator or not any more."""
    await conn.execute("UPDATE drivers SET active = $2 WHERE id = $1", driver_id, active)


async def list_driver_rules(conn: Connection, names: list[str]) -> list[DriverRules]:
    """These rule sets."""
    return await fetch_all(
        conn,
        DriverRules,
        """
        SELECT name, max_driving_s, max_spread_s, max_driving_2_s, max_spread_2_s, break_after_s, break_s
        FROM driver_rules WHERE name = ANY($1) ORDER BY name
        """,
        names,
    )


async def list_all_driver_rules(conn: Connection) -> list[DriverRules]:
    """Every rule set."""
    return await fetch_all(
        conn,
        DriverRules,
        """
        SELECT name, max_driving_s, max_spread_s, max_driving_2_s, max_spread_2_s, break_after_s, break_s
        FROM driver_rules ORDER BY name
        """,
    )
