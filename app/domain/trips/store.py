"""SQL of trips, their stops and their confirmation."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.trips.model import Trip, TripState

TripLock = Callable[[Connection, UUID], Awaitable[Trip | None]]  # how a flow takes its trip; tests pass one that does not lock


async def add_trip(conn: Connection, trip: Trip) -> None:
    """Stores a draft."""
    await conn.execute(
        """
        INSERT INTO trips (id, public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, price_one_way_minor, tiers,
            minimum, cap, deadline_at, state)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        """,
        trip.id, trip.public_code, trip.event_id, trip.origin, trip.origin_lat, trip.origin_lon, trip.zone, trip.price_both_minor,
        trip.price_one_way_minor, trip.tiers, trip.minimum, trip.cap, trip.deadline_at, trip.state.value,
    )  # fmt: skip


async def get_trip(conn: Connection, trip_id: UUID) -> Trip | None:
    """A trip by id."""
    return await fetch_maybe(
        conn,
        Trip,
        """
        SELECT id, public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, price_one_way_minor, tiers, minimum,
               cap, deadline_at, state, secured, held, opened_at, created_at
        FROM trips WHERE id = $1
        """,
        trip_id,
    )


async def lock_trip(conn: Connection, trip_id: UUID) -> Trip | None:
    """A trip by id, locked until the transaction ends: the one lock every change of its pledges takes first."""
    return await fetch_maybe(
        conn,
        Trip,
        """
        SELECT id, public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, price_one_way_minor, tiers, minimum,
               cap, deadline_at, state, secured, held, opened_at, created_at
        FROM trips WHERE id = $1 FOR NO KEY UPDATE
        """,
        trip_id,
    )


async def lock_trips_of_event(conn: Connection, event_id: UUID) -> list[Trip]:
    """Every trip of an event, locked in the order of their ids."""
    return await fetch_all(
        conn,
        Trip,
        """
        SELECT id, public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, price_one_way_minor, tiers, minimum,
               cap, deadline_at, state, secured, held, opened_at, created_at
        FROM trips WHERE event_id = $1 ORDER BY id FOR NO KEY UPDATE
        """,
        event_id,
    )


async def list_trips(conn: Connection, event_ids: list[UUID]) -> list[Trip]:
    """The trips of these events, by event and origin."""
    return await fetch_all(
        conn,
        Trip,
        """
        SELECT id, public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, price_one_way_minor, tiers, minimum,
               cap, deadline_at, state, secured, held, opened_at, created_at
        FROM trips WHERE event_id = ANY($1) ORDER BY event_id, origin, id
        """,
        event_ids,
    )


async def find_trip_id(conn: Connection, public_code: str) -> UUID | None:
    """The id behind a public code."""
    found: UUID | None = await conn.fetchval("SELECT id FROM trips WHERE public_code = $1", public_code)
    return found


async def set_trip_state(conn: Connection, trip_id: UUID, *, come_from: TripState, go_to: TripState) -> bool:
    """The guarded transition; False when the trip was not in `come_from` any more."""
    done = await conn.fetchval(
        """
        UPDATE trips SET state = $3, opened_at = CASE WHEN $3 = 'open' THEN busload_now() ELSE opened_at END
        WHERE id = $1 AND state = $2 RETURNING true
        """,
        trip_id,
        come_from.value,
        go_to.value,
    )
    return bool(done)


async def move_people(conn: Connection, trip_id: UUID, *, held: int = 0, secured: int = 0) -> Trip | None:
    """Adds to the counters (either may be negative) if the cap allows; None when it does not."""
    return await fetch_maybe(
        conn,
        Trip,
        """
        UPDATE trips SET held = held + $2::int, secured = secured + $3::int
        WHERE id = $1 AND ($2::int + $3::int <= 0 OR secured + held + $2::int + $3::int <= cap)
        RETURNING id, public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, price_one_way_minor, tiers, minimum,
                  cap, deadline_at, state, secured, held, opened_at, created_at
        """,
        trip_id,
        held,
        secured,
    )


async def ease_terms(conn: Connection, trip_id: UUID, *, minimum: int, deadline_at: datetime) -> None:
    """A later deadline or a lower minimum; the database refuses the opposite of an open trip."""
    await conn.execute("UPDATE trips SET minimum = $2, deadline_at = $3 WHERE id = $1", trip_id, minimum, deadline_at)


async def add_trip_stop(conn: Connection, *, trip_id: UUID, stop_id: UUID, event_id: UUID) -> None:
    """Sells a trip from a stop."""
    await conn.execute(
        "INSERT INTO trip_stops (trip_id, stop_id, event_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", trip_id, stop_id, event_id
    )


async def add_confirmation(
    conn: Connection, *, trip_id: UUID, pledge_id: UUID | None, secured: int, minimum: int, deadline_at: datetime, decided_at: datetime
) -> None:
    """The promise. A second one for the same trip violates the primary key, for ever."""
    await conn.execute(
        """
        INSERT INTO confirmations (trip_id, pledge_id, secured, minimum, deadline_at, decided_at) VALUES ($1, $2, $3, $4, $5, $6)
        """,
        trip_id,
        pledge_id,
        secured,
        minimum,
        deadline_at,
        decided_at,
    )


async def confirmed_at(conn: Connection, trip_id: UUID) -> datetime | None:
    """When the trip was promised."""
    found: datetime | None = await conn.fetchval("SELECT decided_at FROM confirmations WHERE trip_id = $1", trip_id)
    return found
