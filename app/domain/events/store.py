"""SQL of events and stops."""

from datetime import datetime
from uuid import UUID

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.events.model import Event, EventState, NearStop, Stop, StopState


async def add_event(conn: Connection, event: Event) -> None:
    """Stores a new event as it is given."""
    await conn.execute(
        """
        INSERT INTO events (id, public_code, partner_id, name, kind, summary, venue_name, address, lat, lon, zone, currency, starts_at,
            ends_at, arrive_by_at, return_departs_at, booking_closes_at, capacity_deadline_at, fee_bp, partner_share_bp, max_stops,
            rider_minute_minor, contact_phone, state, sequence, refund_ladder)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)
        """,
        event.id, event.public_code, event.partner_id, event.name, event.kind, event.summary, event.venue_name, event.address,
        event.lat, event.lon, event.zone, event.currency, event.starts_at, event.ends_at, event.arrive_by_at, event.return_departs_at,
        event.booking_closes_at, event.capacity_deadline_at, event.fee_bp, event.partner_share_bp, event.max_stops,
        event.rider_minute_minor, event.contact_phone, event.state.value, event.sequence, event.refund_ladder,
    )  # fmt: skip


async def get_event(conn: Connection, event_id: UUID) -> Event | None:
    """An event by id."""
    return await fetch_maybe(
        conn,
        Event,
        """
        SELECT id, public_code, partner_id, name, kind, summary, venue_name, address, lat, lon, zone, currency, starts_at, ends_at,
               arrive_by_at, return_departs_at, booking_closes_at, capacity_deadline_at, fee_bp, partner_share_bp, max_stops,
               rider_minute_minor, contact_phone, refund_ladder, state, terms_frozen_at, booking_closed_at, sequence, created_at
        FROM events WHERE id = $1
        """,
        event_id,
    )


async def lock_event(conn: Connection, event_id: UUID) -> Event | None:
    """An event by id, locked until the transaction ends."""
    return await fetch_maybe(
        conn,
        Event,
        """
        SELECT id, public_code, partner_id, name, kind, summary, venue_name, address, lat, lon, zone, currency, starts_at, ends_at,
               arrive_by_at, return_departs_at, booking_closes_at, capacity_deadline_at, fee_bp, partner_share_bp, max_stops,
               rider_minute_minor, contact_phone, refund_ladder, state, terms_frozen_at, booking_closed_at, sequence, created_at
        FROM events WHERE id = $1 FOR NO KEY UPDATE
        """,
        event_id,
    )


async def list_events(
    conn: Connection,
    *,
    search: str | None,
    near: tuple[float, float] | None,
    radius_m: float,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Event]:
    """Coming events by start, filtered by words of the name or venue and by distance (of the venue or of an open trip's origin)."""
    return await fetch_all(
        conn,
        Event,
        """
        SELECT id, public_code, partner_id, name, kind, summary, venue_name, address, lat, lon, zone, currency, starts_at, ends_at,
               arrive_by_at, return_departs_at, booking_closes_at, capacity_deadline_at, fee_bp, partner_share_bp, max_stops,
               rider_minute_minor, contact_phone, refund_ladder, state, terms_frozen_at, booking_closed_at, sequence, created_at
        FROM events e
        WHERE ends_at > busload_now() AND EXISTS (SELECT FROM trips t WHERE t.event_id = e.id AND t.state <> 'draft')
          AND ($1::text IS NULL OR name ILIKE '%' || $1 || '%' OR venue_name ILIKE '%' || $1 || '%' OR address ILIKE '%' || $1 || '%'
               OR EXISTS (SELECT FROM trips t WHERE t.event_id = e.id AND t.state <> 'draft' AND t.origin ILIKE '%' || $1 || '%'))
          AND ($2::float8 IS NULL OR earth_distance(ll_to_earth(lat, lon), ll_to_earth($2, $3)) <= $4
               OR EXISTS (SELECT FROM trips t WHERE t.event_id = e.id AND t.state <> 'draft'
                          AND earth_distance(ll_to_earth(t.origin_lat, t.origin_lon), ll_to_earth($2, $3)) <= $4))
          AND ($5::timestamptz IS NULL OR (starts_at, id) > ($5, $6))
        ORDER BY starts_at, id LIMIT $7
        """,
        search,
        near[0] if near else None,
        near[1] if near else None,
        radius_m,
        after[0] if after else None,
        after[1] if after else None,
        limit,
    )


async def list_all_events(conn: Connection) -> list[Event]:
    """Every event, the newest first, for organisers."""
    return await fetch_all(
        conn,
        Event,
        """
        SELECT id, public_code, partner_id, name, kind, summary, venue_name, address, lat, lon, zone, currency, starts_at, ends_at,
               arrive_by_at, return_departs_at, booking_closes_at, capacity_deadline_at, fee_bp, partner_share_bp, max_stops,
               rider_minute_minor, contact_phone, refund_ladder, state, terms_frozen_at, booking_closed_at, sequence, created_at
        FROM events ORDER BY starts_at DESC, id LIMIT 500
        """,
    )


async def list_events_of_partner(conn: Connection, partner_ids: list[UUID]) -> list[Event]:
    """The events of these partners, the latest start first."""
    return await fetch_all(
        conn,
        Event,
        """
        SELECT id, public_code, partner_id, name, kind, summary, venue_name, address, lat, lon, zone, currency, starts_at, ends_at,
               arrive_by_at, return_departs_at, booking_closes_at, capacity_deadline_at, fee_bp, partner_share_bp, max_stops,
               rider_minute_minor, contact_phone, refund_ladder, state, terms_frozen_at, booking_closed_at, sequence, created_at
        FROM events WHERE partner_id = ANY($1) ORDER BY starts_at DESC, id LIMIT 200
        """,
        partner_ids,
    )


async def find_event_id(conn: Connection, public_code: str) -> UUID | None:
    """The id behind a public code."""
    found: UUID | None = await conn.fetchval("SELECT id FROM events WHERE public_code = $1", public_code)
    return found


async def set_refund_ladder(conn: Connection, event_id: UUID, ladder: list[tuple[int, int]]) -> None:
    """Another refund ladder; the database refuses it once the terms are frozen."""
    await conn.execute("UPDATE events SET refund_ladder = $2 WHERE id = $1", event_id, ladder)


async def freeze_terms(conn: Connection, event_id: UUID) -> None:
    """Fee, share and refund ladder are final from now on; the first call counts."""
    await conn.execute("UPDATE events SET terms_frozen_at = busload_now() WHERE id = $1 AND terms_frozen_at IS NULL", event_id)


async def close_bookings(conn: Connection, event_id: UUID) -> bool:
    """Freezes seats for routing; False when that had happened before."""
    closed = await conn.fetchval(
        "UPDATE events SET booking_closed_at = busload_now() WHERE id = $1 AND booking_closed_at IS NULL RETURNING true", event_id
    )
    return bool(closed)


async def set_event_state(conn: Connection, event_id: UUID, *, come_from: EventState, go_to: EventState) -> bool:
    """The guarded transition; also counts the calendar's SEQUENCE up."""
    done = await conn.fetchval(
        "UPDATE events SET state = $3, sequence = sequence + 1 WHERE id = $1 AND state = $2 RETURNING true",
        event_id,
        come_from.value,
        go_to.value,
    )
    return bool(done)


async def move_event(
    conn: Connection, event_id: UUID, *, starts_at: datetime, ends_at: datetime, arrive_by_at: datetime, return_departs_at: datetime,
    booking_closes_at: datetime, capacity_deadline_at: datetime, venue_name: str, address: str, lat: float, lon: float,
) -> None:  # fmt: skip
    """New times or a new place."""
    await conn.execute(
        """
        UPDATE events SET starts_at = $2, ends_at = $3, arrive_by_at = $4, return_departs_at = $5, booking_closes_at = $6,
            capacity_deadline_at = $7, venue_name = $8, address = $9, lat = $10, lon = $11, sequence = sequence + 1
        WHERE id = $1
        """,
        event_id, starts_at, ends_at, arrive_by_at, return_departs_at, booking_closes_at, capacity_deadline_at, venue_name, address,
        lat, lon,
    )  # fmt: skip


async def add_stop(conn: Connection, stop: Stop) -> None:
    """Stores a new stop."""
    await conn.execute(
        """
        INSERT INTO stops (id, public_code, event_id, name, address, lat, lon, zone, dwell_s, max_ride_s, state)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        stop.id, stop.public_code, stop.event_id, stop.name, stop.address, stop.lat, stop.lon, stop.zone, stop.dwell_s,
        stop.max_ride_s, stop.state.value,
    )  # fmt: skip


async def get_stop(conn: Connection, stop_id: UUID) -> Stop | None:
    """A stop by id."""
    return await fetch_maybe(
        conn,
        Stop,
        "SELECT id, public_code, event_id, name, address, lat, lon, zone, dwell_s, max_ride_s, state FROM stops WHERE id = $1",
        stop_id,
    )


async def list_stops(conn: Connection, event_id: UUID) -> list[Stop]:
    """Every stop of an event by name."""
    return await fetch_all(
        conn,
        Stop,
        """
        SELECT id, public_code, event_id, name, address, lat, lon, zone, dwell_s, max_ride_s, state
        FROM stops WHERE event_id = $1 ORDER BY name, id
        """,
        event_id,
    )


async def list_stops_of_trip(conn: Connection, trip_id: UUID) -> list[Stop]:
    """The stops a trip is sold from, by name, in every state."""
    return await fetch_all(
        conn,
        Stop,
        """
        SELECT s.id, s.public_code, s.event_id, s.name, s.address, s.lat, s.lon, s.zone, s.dwell_s, s.max_ride_s, s.state
        FROM stops s JOIN trip_stops ts ON ts.stop_id = s.id WHERE ts.trip_id = $1 ORDER BY s.name, s.id
        """,
        trip_id,
    )


async def list_near_stops(conn: Connection, *, trip_id: UUID, lat: float, lon: float, within_m: float) -> list[NearStop]:
    """A trip's usable stops near a place, the nearest first."""
    return await fetch_all(
        conn,
        NearStop,
        """
        SELECT s.id, s.public_code, s.name, s.address, s.state,
               earth_distance(ll_to_earth(s.lat, s.lon), ll_to_earth($2, $3)) AS distance_m
        FROM stops s JOIN trip_stops ts ON ts.stop_id = s.id
        WHERE ts.trip_id = $1 AND s.state <> 'rejected' AND earth_distance(ll_to_earth(s.lat, s.lon), ll_to_earth($2, $3)) <= $4
        ORDER BY distance_m LIMIT 5
        """,
        trip_id,
        lat,
        lon,
        within_m,
    )


async def set_stop_state(conn: Connection, stop_id: UUID, *, come_from: StopState, go_to: StopState) -> bool:
    """The guarded transition."""
    done = await conn.fetchval(
        "UPDATE stops SET state = $3 WHERE id = $1 AND state = $2 RETURNING true", stop_id, come_from.value, go_to.value
    )
    return bool(done)
