"""A world before dispatch: one event a month ahead, confirmed trips with paid parties, operators with fleets nearby."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from app.core.database import Connection, Pool
from app.core.ids import derived_token, new_id, public_code, token_hash
from app.domain.dispatch.model import Offer, OfferState
from app.domain.dispatch.solving import SolveLimits
from app.domain.dispatch.store import offers, snapshots
from app.flows.freeze_demand import freeze_demand
from app.flows.send_offers import send_offers
from app.flows.solve_event import solve_event
from solver.travel import GreatCircle

SECRET = "a secret of thirty-two characters and more"
LIMITS = SolveLimits(time_limit_s=0.5, patience_s=0.2)
STOPS = {
    "baltimore": ("Camden Yards", 39.284, -76.622),
    "frederick": ("Market Street", 39.414, -77.411),
    "richmond": ("Main Street Station", 37.534, -77.429),
}


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Ids of what stands."""

    event_id: UUID
    trips: dict[str, UUID]
    stops: dict[str, UUID]
    operators: list[UUID]
    vehicles: list[UUID]
    arrive_by_at: datetime
    return_departs_at: datetime
    capacity_deadline_at: datetime


async def build_world(
    conn: Connection,
    *,
    operators: int = 3,
    buses_each: int = 2,
    seats: int = 49,
    stay: timedelta = timedelta(hours=5),
    price_minor: int = 8900,
) -> World:
    """An event with three origins and a fleet; nobody has pledged yet. `stay` is between arrival and return."""
    now = datetime.now(tz=UTC).replace(microsecond=0, second=0, minute=0)
    arrive = now + timedelta(days=30)
    event_id = new_id()
    await conn.execute(
        """
        INSERT INTO events (id, public_code, name, kind, venue_name, address, lat, lon, zone, currency, starts_at, ends_at, arrive_by_at,
            return_departs_at, booking_closes_at, capacity_deadline_at, fee_bp, partner_share_bp, contact_phone)
        VALUES ($1, $2, 'Women''s March', 'march', 'National Mall', 'Washington, DC', 38.8895, -77.0229, 'America/New_York', 'USD',
            $3, $4, $5, $6, $7, $8, 800, 200, '+1 202 555 0100')
        """,
        event_id,
        public_code(),
        arrive + timedelta(hours=1),
        arrive + stay,
        arrive,
        arrive + stay,
        arrive - timedelta(days=10),
        arrive - timedelta(days=5),
    )
    stops = {key: await add_stop(conn, event_id, *spot) for key, spot in STOPS.items()}
    trips = {key: await add_trip(conn, event_id, key, stops[key], price_minor=price_minor, now=now) for key in STOPS}
    fleet = [await add_operator(conn, number, buses=buses_each, seats=seats) for number in range(operators)]
    return World(
        event_id=event_id,
        trips=trips,
        stops=stops,
        operators=[operator for operator, _ in fleet],
        vehicles=[vehicle for _, vehicles in fleet for vehicle in vehicles],
        arrive_by_at=arrive,
        return_departs_at=arrive + stay,
        capacity_deadline_at=arrive - timedelta(days=5),
    )


async def add_stop(conn: Connection, event_id: UUID, name: str, lat: float, lon: float, *, max_ride_s: int = 14_400) -> UUID:
    """An approved stop."""
    stop_id = new_id()
    await conn.execute(
        """
        INSERT INTO stops (id, public_code, event_id, name, address, lat, lon, zone, max_ride_s, state)
        VALUES ($1, $2, $3, $4, '1 Station Road', $5, $6, 'America/New_York', $7, 'approved')
        """,
        stop_id,
        public_code(),
        event_id,
        name,
        lat,
        lon,
        max_ride_s,
    )
    return stop_id


async def add_trip(conn: Connection, event_id: UUID, origin: str, stop_id: UUID, *, price_minor: int, now: datetime) -> UUID:
    """A confirmed trip sold from one stop."""
    trip_id = new_id()
    await conn.execute(
        """
        INSERT INTO trips (id, public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, price_one_way_minor, minimum,
            cap, deadline_at)
        VALUES ($1, $2, $3, $4, 39.0, -77.0, 'America/New_York', $5, $5, 1, 500, $6)
        """,
        trip_id,
        public_code(),
        event_id,
        origin,
        price_minor,
        now + timedelta(days=15),
    )
    await conn.execute("INSERT INTO trip_stops (trip_id, stop_id, event_id) VALUES ($1, $2, $3)", trip_id, stop_id, event_id)
    await conn.execute("UPDATE trips SET state = 'open', opened_at = busload_now() WHERE id = $1", trip_id)
    await conn.execute("UPDATE trips SET state = 'confirmed' WHERE id = $1", trip_id)
    await conn.execute(
        "INSERT INTO confirmations (trip_id, secured, minimum, deadline_at, decided_at) VALUES ($1, 1, 1, $2, busload_now())",
        trip_id,
        now + timedelta(days=15),
    )
    return trip_id


async def add_operator(
    conn: Connection, number: int, *, buses: int, seats: int = 49, wheelchair_places: int = 2, papers: str = "2099-01-01"
) -> tuple[UUID, list[UUID]]:
    """An operator north of the venue with equal buses and rate cards; each next one is a little dearer and farther."""
    operator_id, depot_id = new_id(), new_id()
    await conn.execute(
        """
        INSERT INTO operators (id, public_code, name, country, email, phone, licence_number, licence_expires_on, insurance_expires_on)
        VALUES ($1, $2, $3, 'US', $4, '+1 312 555 0111', 'USDOT 1234567', $5::text::date, '2099-01-01')
        """,
        operator_id,
        public_code(),
        f"Coaches {number}",
        f"desk{number}@coaches.example",
        papers,
    )
    await conn.execute(
        "INSERT INTO depots (id, operator_id, name, lat, lon) VALUES ($1, $2, $3, $4, -76.9)",
        depot_id,
        operator_id,
        f"Depot {number}",
        39.1 + number / 20,
    )
    return operator_id, [
        await add_vehicle(conn, operator_id, depot_id, f"B{number}-{bus}", seats, wheelchair_places, number) for bus in range(buses)
    ]


async def add_vehicle(
    conn: Connection, operator_id: UUID, depot_id: UUID, plate: str, seats: int, wheelchair_places: int, dearer: int
) -> UUID:
    """A bus with a rate card in USD."""
    vehicle_id = new_id()
    await conn.execute(
        """
        INSERT INTO vehicles (id, operator_id, depot_id, plate, name, seats, wheelchair_places, rules)
        VALUES ($1, $2, $3, $4, 'Setra S 515', $5, $6, 'us-fmcsa-395.5')
        """,
        vehicle_id,
        operator_id,
        depot_id,
        plate,
        seats,
        wheelchair_places,
    )
    await conn.execute(
        """
        INSERT INTO rate_cards (vehicle_id, currency, valid_from, call_out_minor, per_km_minor, per_h_minor, standby_per_h_minor,
            minimum_minor, second_driver_minor)
        VALUES ($1, 'USD', '2020-01-01', $2, 180, 4500, 2000, 40000, 30000)
        """,
        vehicle_id,
        20_000 + 1_000 * dearer,
    )
    return vehicle_id


async def add_party(
    conn: Connection,
    world: World,
    origin: str,
    *,
    seats: int = 2,
    wheelchairs: int = 0,
    legs: tuple[str, ...] = ("outbound", "return"),
    price_minor: int = 8900,
) -> UUID:
    """A paid party with its charge; what it paid above its trip's price is credited back at booking close."""
    pledge_id, payment_id, people = new_id(), new_id(), seats + wheelchairs
    await conn.execute(
        """
        INSERT INTO pledges (id, public_code, trip_id, event_id, stop_id, name, email, email_normalised, seats, wheelchairs, legs,
            price_minor, amount_minor, currency, terms_version, terms_shown_at, state, manage_token_hash, customer_ref, payment_method_ref)
        VALUES ($1, $2, $3, $4, $5, 'Ada Lovelace', $6::text, $6::text, $7, $8, $9, $10, $10::bigint * ($7::int + $8::int), 'USD',
            '2026-11', busload_now(), 'confirmed', $11, 'cus_1', 'pm_1')
        """,
        pledge_id,
        public_code(),
        world.trips[origin],
        world.event_id,
        world.stops[origin],
        f"{pledge_id.hex}@rider.example",
        seats,
        wheelchairs,
        list(legs),
        price_minor,
        token_hash(derived_token(SECRET, "manage", pledge_id)),
    )
    await conn.execute(
        """
        INSERT INTO payments (id, reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref,
            collect_until)
        VALUES ($1, $2, 'fare', $3, $4, 'USD', 'fare', 'due', 'cus_1', 'pm_1', busload_now())
        """,
        payment_id,
        pledge_id,
        f"event:{world.event_id}",
        price_minor * people,
    )
    await conn.execute("UPDATE trips SET secured = secured + $2 WHERE id = $1", world.trips[origin], people)
    await conn.execute("UPDATE payments SET state = 'submitting', intent_ref = $2 WHERE id = $1", payment_id, f"pi_{payment_id.hex}")
    await conn.execute("UPDATE payments SET state = 'succeeded', settled_at = busload_now() WHERE id = $1", payment_id)
    await conn.execute("UPDATE pledges SET state = 'paid' WHERE id = $1", pledge_id)
    return pledge_id


async def plan_once(pool: Pool, world: World) -> None:
    """What the worker does with a wish: freeze, solve every new snapshot, send what may be sent."""
    await freeze_demand(pool, world.event_id, travel=GreatCircle())
    async with pool.acquire() as conn:
        unsolved = await snapshots.list_unsolved(conn, world.event_id)
    for snapshot_id in unsolved:
        await solve_event(pool, snapshot_id, limits=LIMITS)
    await send_offers(pool, world.event_id, secret=SECRET)


async def offers_in(pool: Pool, world: World, *states: OfferState) -> list[Offer]:
    """The event's offers in these states, oldest first."""
    async with pool.acquire() as conn:
        found = await offers.list_offers_of_event(conn, world.event_id)
    return [offer for offer in found[::-1] if offer.state in states]
