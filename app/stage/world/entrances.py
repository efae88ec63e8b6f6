"""The doors into the world as it stands now: what to open to see each role at work."""

from app.core.database import Connection
from app.core.ids import derived_token
from app.domain.events import store as events
from app.domain.events.model import Event
from app.domain.partners import store as partners
from app.domain.trips import store as trips
from app.domain.trips.model import Trip, TripState
from app.stage.doors import Door, Doors
from app.stage.errors import StageError
from app.stage.world.records import read_events


async def find_doors(conn: Connection, *, secret: str, base_url: str) -> Doors:
    """One door per role; links that carry a token are made anew from the secret."""
    march = await find_event(conn, "march")
    doors = [
        await rider_door(conn, march, base_url),
        *await seat_door(conn, secret=secret, base_url=base_url),
        await operator_door(conn, base_url),
        *await paid_operator_door(conn, base_url),
        *await driver_door(conn, secret=secret, base_url=base_url),
        Door(role="Organiser", url=f"{base_url}/demo/organiser", note="events, trips, dispatch, money, audit trail"),
        Door(role="Partner", url=f"{base_url}/demo/partner", note="key, snippet, preview and webhooks of the march's team"),
    ]
    return Doors(
        doors=tuple(doors),
        widget_event=march.public_code,
        widget_key=await find_key(conn, march),
        widget_event_name=march.name,
        widget_event_place=march.venue_name,
    )


async def find_key(conn: Connection, march: Event) -> str:
    """The key that opens the march to the partner's own page."""
    keys = await partners.list_keys(conn, [march.partner_id] if march.partner_id else [])
    return next((key.public_key for key in keys if key.revoked_at is None), "")


async def find_event(conn: Connection, key: str) -> Event:
    """One of the world's events. StageError when somebody took it away."""
    name = read_events()[key].name
    event_id = await conn.fetchval("SELECT id FROM events WHERE name = $1 ORDER BY created_at LIMIT 1", name)
    event = await events.get_event(conn, event_id) if event_id else None
    if event is None:
        raise StageError(f"the demo world has lost its event {name}: start over with `make demo-reset`")
    return event


async def rider_door(conn: Connection, march: Event, base_url: str) -> Door:
    """The open trip that is nearest to its minimum: one person short when the world is new."""
    still_open = [trip for trip in await trips.list_trips(conn, [march.id]) if trip.state is TripState.OPEN]
    if not still_open:
        return Door(role="Rider", url=f"{base_url}/e/{march.public_code}", note="every trip to the march")
    trip: Trip = min(still_open, key=lambda one: (one.to_go, one.id))
    note = (
        f"{trip.origin} to the march: {trip.secured} of {trip.minimum}, your pledge tips it"
        if trip.to_go == 1
        else f"{trip.to_go} to go from {trip.origin}"
    )
    return Door(role="Rider", url=f"{base_url}/trips/{trip.public_code}", note=f"{note} (card 4242 4242 4242 4242)")


async def seat_door(conn: Connection, *, secret: str, base_url: str) -> list[Door]:
    """A rider whose bus is settled: pass, calendar, tracking."""
    pledge_id = await conn.fetchval(
        """
        SELECT g.id FROM pledges g JOIN manifest_people a ON a.pledge_id = g.id JOIN current_manifests c ON c.manifest_id = a.manifest_id
        JOIN events e ON e.id = g.event_id
        WHERE g.state = 'paid' AND c.ended_at IS NULL AND e.starts_at > busload_now() ORDER BY e.starts_at DESC, g.id LIMIT 1
        """
    )
    if pledge_id is None:
        return []
    url = f"{base_url}/p/{derived_token(secret, 'manage', pledge_id)}"
    return [Door(role="Rider with a seat", url=url, note="paid and seated: boarding pass, calendar, the bus")]


async def operator_door(conn: Connection, base_url: str) -> Door:
    """An operator with an offer to answer, else one with a duty, else any."""
    code = await conn.fetchval(
        """
        SELECT p.public_code FROM operators p LEFT JOIN offers o ON o.operator_id = p.id AND o.state IN ('sent', 'accepted')
        ORDER BY (o.state = 'sent') DESC NULLS LAST, o.state NULLS LAST, p.public_code LIMIT 1
        """
    )
    waiting = await conn.fetchval(
        "SELECT count(*) FROM offers o JOIN operators p ON p.id = o.operator_id WHERE p.public_code = $1 AND o.state = 'sent'", code
    )
    note = "an offer waits for an answer" if waiting else "duties, fleet and rate cards"
    return Door(role="Operator", url=f"{base_url}/demo/operator/{code}", note=note)


async def paid_operator_door(conn: Connection, base_url: str) -> list[Door]:
    """An operator whose duties have been driven and paid: its statements."""
    code = await conn.fetchval(
        """
        SELECT p.public_code FROM operators p JOIN payouts o ON o.payee_id = p.id WHERE o.state = 'succeeded'
        ORDER BY o.settled_at DESC, p.public_code LIMIT 1
        """
    )
    if code is None:
        return []
    return [Door(role="Operator, paid", url=f"{base_url}/demo/operator/{code}", note="statements of driven duties, CSV and PDF")]


async def driver_door(conn: Connection, *, secret: str, base_url: str) -> list[Door]:
    """The driver whose bus is boarding or will board next."""
    row = await conn.fetchrow(
        """
        SELECT s.duty_id, s.driver_id, d.during @> busload_now() AS is_running
        FROM duty_drivers s JOIN duties d ON d.id = s.duty_id JOIN current_manifests c ON c.duty_id = d.id
        WHERE s.ended_at IS NULL AND s.seat = 1 AND c.ended_at IS NULL AND s.link_expires_at > busload_now()
        ORDER BY c.closed_at IS NOT NULL, lower(d.during) LIMIT 1
        """
    )
    if row is None:
        return []
    token = derived_token(secret, "driver", f"{row['duty_id']}:{row['driver_id']}")
    note = "boarding now: manifest, check-in, position" if row["is_running"] else "the next manifest"
    return [Door(role="Driver", url=f"{base_url}/d/{token}", note=note)]
