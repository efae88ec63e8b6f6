"""A small world on the day of travel: one event, two stops in two zones, paid parties, accepted duties, drivers with links."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from app.core.database import Connection
from app.core.ids import derived_token, new_id, public_code, token_hash
from app.domain.dispatch.model import Call, Timetable

SECRET = "a secret of thirty-two characters and more"
VENUE = ("National Mall", "Washington, DC", 38.8895, -77.0229, "America/New_York")
STOPS = {
    "chicago": ("Union Station", "225 S Canal St, Chicago", 41.8787, -87.6403, "America/Chicago"),
    "pittsburgh": ("Liberty Avenue", "1100 Liberty Ave, Pittsburgh", 40.4440, -79.9920, "America/New_York"),
}
DEPOT = ("North depot", "1 Depot Road", 41.9, -87.7, "America/Chicago")


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Ids of what stands; `starts_at` is when buses leave their depots."""

    event_id: UUID
    trip_id: UUID
    operator_id: UUID
    depot_id: UUID
    stops: dict[str, UUID]
    starts_at: datetime


async def build_world(conn: Connection, *, starts_in: timedelta = timedelta(hours=-1)) -> World:
    """An event with a confirmed trip, its stops and one operator; duties leave their depots `starts_in` from now."""
    now = await conn.fetchval("SELECT busload_now()")
    starts_at = (now + starts_in).replace(microsecond=0, second=0).astimezone(UTC)
    arrive = starts_at + timedelta(hours=4)
    event_id = new_id()
    await conn.execute(
        """
        INSERT INTO events (id, public_code, name, kind, venue_name, address, lat, lon, zone, currency, starts_at, ends_at, arrive_by_at,
            return_departs_at, booking_closes_at, capacity_deadline_at, fee_bp, partner_share_bp, contact_phone)
        VALUES ($1, $2, 'Women''s March', 'march', $3, $4, $5, $6, $7, 'USD', $8, $9, $10, $11, $12, $12, 800, 200, '+1 202 555 0100')
        """,
        event_id,
        public_code(),
        *VENUE,
        arrive + timedelta(hours=1),
        arrive + timedelta(hours=4),
        arrive,
        arrive + timedelta(hours=5),
        starts_at - timedelta(days=2),
    )
    stops = {key: await _add_stop(conn, event_id, key) for key in STOPS}
    trip_id = await add_trip(conn, event_id, list(stops.values()), deadline_at=now + timedelta(days=1))
    operator_id, depot_id = new_id(), new_id()
    await conn.execute(
        """
        INSERT INTO operators (id, public_code, name, country, email, phone, licence_number, licence_expires_on, insurance_expires_on)
        VALUES ($1, $2, 'Lakeshore Coaches', 'US', 'desk@lakeshore.example', '+1 312 555 0111', 'USDOT 1234567', '2099-01-01', '2099-01-01')
        """,
        operator_id,
        public_code(),
    )
    await conn.execute(
        "INSERT INTO depots (id, operator_id, name, lat, lon) VALUES ($1, $2, $3, $4, $5)",
        depot_id,
        operator_id,
        DEPOT[0],
        DEPOT[2],
        DEPOT[3],
    )
    return World(event_id=event_id, trip_id=trip_id, operator_id=operator_id, depot_id=depot_id, stops=stops, starts_at=starts_at)


async def _add_stop(conn: Connection, event_id: UUID, key: str) -> UUID:
    stop_id = new_id()
    await conn.execute(
        """
        INSERT INTO stops (id, public_code, event_id, name, address, lat, lon, zone, max_ride_s, state)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 14400, 'approved')
        """,
        stop_id,
        public_code(),
        event_id,
        *STOPS[key],
    )
    return stop_id


async def add_trip(conn: Connection, event_id: UUID, stop_ids: list[UUID], *, deadline_at: datetime) -> UUID:
    """A trip that was confirmed with the first pledge to come."""
    trip_id = new_id()
    await conn.execute(
        """
        INSERT INTO trips (id, public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, minimum, cap, deadline_at)
        VALUES ($1, $2, $3, 'Chicago', 41.88, -87.63, 'America/Chicago', 8900, 1, 500, $4)
        """,
        trip_id,
        public_code(),
        event_id,
        deadline_at,
    )
    await conn.execute("INSERT INTO trip_stops (trip_id, stop_id, event_id) SELECT $1, unnest($2::uuid[]), $3", trip_id, stop_ids, event_id)
    await conn.execute("UPDATE trips SET state = 'open', opened_at = busload_now() WHERE id = $1", trip_id)
    await conn.execute("UPDATE trips SET state = 'confirmed', secured = 1 WHERE id = $1", trip_id)
    await conn.execute(
        "INSERT INTO confirmations (trip_id, secured, minimum, deadline_at, decided_at) VALUES ($1, 1, 1, $2, busload_now())",
        trip_id,
        deadline_at,
    )
    return trip_id


async def add_party(
    conn: Connection,
    world: World,
    *,
    stop: str = "chicago",
    seats: int = 1,
    wheelchairs: int = 0,
    legs: tuple[str, ...] = ("outbound", "return"),
    name: str = "Ada Lovelace",
    needs: str = "",
    trip_id: UUID | None = None,
) -> UUID:
    """A paid party."""
    pledge_id = new_id()
    await conn.execute(
        """
        INSERT INTO pledges (id, public_code, trip_id, event_id, stop_id, name, email, email_normalised, needs, seats, wheelchairs, legs,
            price_minor, amount_minor, currency, terms_version, terms_shown_at, state, manage_token_hash, customer_ref, payment_method_ref)
        VALUES ($1, $2, $3, $4, $5, $6, $7::text, $7::text, $8, $9, $10, $11, 8900, 8900 * ($9::int + $10::int), 'USD',
            '2026-11', busload_now(), 'confirmed', $12, 'cus_1', 'pm_1')
        """,
        pledge_id,
        public_code(),
        trip_id or world.trip_id,
        world.event_id,
        world.stops[stop],
        name,
        f"{pledge_id.hex}@rider.example",
        needs,
        seats,
        wheelchairs,
        list(legs),
        token_hash(manage_token(pledge_id)),
    )
    await conn.execute("UPDATE pledges SET state = 'paid' WHERE id = $1", pledge_id)
    return pledge_id


def manage_token(pledge_id: UUID) -> str:
    """The token of a party's own page."""
    return derived_token(SECRET, "manage", pledge_id)


async def add_duty(
    conn: Connection, world: World, parties: list[UUID], *, stops: tuple[str, ...] = ("chicago", "pittsburgh"), plate: str = "BUS 101"
) -> UUID:
    """A duty of both legs that its operator accepted, in a current plan of its event."""
    vehicle_id, duty_id = new_id(), new_id()
    await conn.execute(
        """
        INSERT INTO vehicles (id, operator_id, depot_id, plate, name, seats, wheelchair_places, rules)
        VALUES ($1, $2, $3, $4, 'Setra S 515', 49, 2, 'us-fmcsa-395.5')
        """,
        vehicle_id,
        world.operator_id,
        world.depot_id,
        plate,
    )
    timetable = timetable_of(world, stops)
    starts_at, ends_at = timetable.calls[0].departs_at, timetable.calls[-1].arrives_at
    await conn.execute(
        """
        INSERT INTO duties (id, public_code, event_id, scope, operator_id, vehicle_id, fingerprint, drivers_needed, hire_minor, currency,
            distance_m, during, timetable)
        VALUES ($1, $2, $3, 'both', $4, $5, $6, 1, 180000, 'USD', 900000, tstzrange($7, $8), $9)
        """,
        duty_id,
        public_code(),
        world.event_id,
        world.operator_id,
        vehicle_id,
        duty_id.bytes,
        starts_at,
        ends_at,
        timetable,
    )
    await conn.execute("INSERT INTO duty_parties (duty_id, pledge_id) SELECT $1, unnest($2::uuid[])", duty_id, parties)
    await conn.execute("INSERT INTO plan_duties (plan_id, duty_id) VALUES ($1, $2)", await _plan(conn, world.event_id), duty_id)
    await accept_duty(conn, world, duty_id)
    return duty_id


async def accept_duty(conn: Connection, world: World, duty_id: UUID) -> None:
    """An offer for the duty goes out and is accepted."""
    offer_id = new_id()
    await conn.execute(
        """
        INSERT INTO offers (id, public_code, duty_id, event_id, operator_id, vehicle_id, round, price_minor, currency, during, state)
        SELECT $1, $2, d.id, d.event_id, d.operator_id, d.vehicle_id, 1, d.hire_minor, d.currency, d.during, 'proposed'
        FROM duties d WHERE d.id = $3
        """,
        offer_id,
        public_code(),
        duty_id,
    )
    await conn.execute(
        "UPDATE offers SET state = 'sent', sent_at = busload_now(), expires_at = busload_now() + interval '1 day' WHERE id = $1", offer_id
    )
    await conn.execute("UPDATE offers SET state = 'accepted', decided_at = busload_now() WHERE id = $1", offer_id)


async def _plan(conn: Connection, event_id: UUID) -> UUID:
    found: UUID | None = await conn.fetchval("SELECT id FROM plans WHERE event_id = $1 AND is_current", event_id)
    if found is not None:
        return found
    snapshot_id, plan_id = new_id(), new_id()
    await conn.execute(
        """
        INSERT INTO snapshots (id, event_id, scope, round, hash, epoch_at, problem, cause)
        VALUES ($1, $2, 'both', 1, $3, busload_now(), '{}', 'booking_close')
        """,
        snapshot_id,
        event_id,
        b"hash",
    )
    await conn.execute(
        """
        INSERT INTO plans (id, event_id, snapshot_id, scope, status, cost_minor, seconds, document, is_current)
        VALUES ($1, $2, $3, 'both', 'feasible', 180000, 1, '{}', true)
        """,
        plan_id,
        event_id,
        snapshot_id,
    )
    return plan_id


def timetable_of(world: World, stops: tuple[str, ...]) -> Timetable:
    """Depot, an hour between places, the venue from the fourth to the ninth hour, the stops again in the other order, depot."""
    start = world.starts_at
    arrive, leave = start + timedelta(hours=4), start + timedelta(hours=9)
    spots = [(world.stops[key], STOPS[key]) for key in stops]
    outbound = [
        _call(
            "stop",
            "outbound",
            spot,
            arrive - timedelta(hours=len(spots) - index, minutes=5),
            arrive - timedelta(hours=len(spots) - index),
            stop_id,
        )
        for index, (stop_id, spot) in enumerate(spots)
    ]
    back = [
        _call("stop", "return", spot, leave + timedelta(hours=index + 1), leave + timedelta(hours=index + 1, minutes=5), stop_id)
        for index, (stop_id, spot) in enumerate(reversed(spots))
    ]
    calls = [
        _call("depot", "outbound", DEPOT, None, start, None),
        *outbound,
        _call("venue", "outbound", VENUE, arrive, leave, None),
        *back,
        _call("depot", "return", DEPOT, leave + timedelta(hours=len(spots) + 1), None, None),
    ]
    return Timetable(calls=calls, quote=[])


def _call(
    kind: str,
    leg: str,
    spot: tuple[str, str, float, float, str],
    arrives_at: datetime | None,
    departs_at: datetime | None,
    stop_id: UUID | None,
) -> Call:
    name, address, lat, lon, zone = spot
    fields = {"kind": kind, "leg": leg, "stop_id": stop_id, "name": name, "address": address, "lat": lat, "lon": lon, "zone": zone}
    times = {"arrives_at": arrives_at, "departs_at": departs_at}
    figures = {"drive_s": 3600, "drive_m": 90_000, "break_s": 0, "is_dead": kind == "depot", "seats": 0, "wheelchairs": 0}
    return msgspec.convert({**fields, **times, **figures}, Call, builtin_types=(datetime, UUID))


async def assign_driver(
    conn: Connection, world: World, duty_id: UUID, *, name: str = "Maria Gomez", seat: int = 1, expires_in: timedelta = timedelta(days=1)
) -> tuple[UUID, str]:
    """A driver on a duty, and the token of the link that opens it."""
    driver_id = new_id()
    await conn.execute(
        "INSERT INTO drivers (id, operator_id, name, email, phone) VALUES ($1, $2, $3, $4, '+1 312 555 0122')",
        driver_id,
        world.operator_id,
        name,
        f"{driver_id.hex}@driver.example",
    )
    token = derived_token(SECRET, "driver", f"{duty_id}:{driver_id}")
    await conn.execute(
        """
        INSERT INTO duty_drivers (duty_id, driver_id, seat, during, token_hash, link_expires_at)
        SELECT d.id, $2, $3, d.during, $4, busload_now() + $5::interval FROM duties d WHERE d.id = $1
        """,
        duty_id,
        driver_id,
        seat,
        token_hash(token),
        expires_in,
    )
    return driver_id, token


async def allocate(conn: Connection, world: World) -> None:
    """The trip's people all have their seats."""
    await conn.execute("UPDATE trips SET state = 'allocated' WHERE event_id = $1 AND state = 'confirmed'", world.event_id)
