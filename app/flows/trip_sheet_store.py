"""SQL of a trip as its public page shows it, over trips, events and stops: an on-sale asks for it more often than for anything else."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from app.core.database import Connection
from app.domain.events.model import Event, Stop
from app.domain.trips.model import Trip


class TripSheet(msgspec.Struct, frozen=True, kw_only=True):
    """A trip, its event and the stops it is sold from (in every state, by name), all read at `now`."""

    now: datetime
    trip: Trip
    event: Event
    stops: list[Stop]


async def find_trip_sheets(conn: Connection, public_codes: Sequence[str]) -> dict[str, TripSheet]:
    """The trips behind public codes that are no drafts, by code: one statement, one round trip, however much a page needs."""
    rows = await conn.fetch(
        """
        SELECT t.public_code, jsonb_build_object('now', busload_now(), 'trip', to_jsonb(t), 'event', to_jsonb(e),
            'stops', (SELECT coalesce(jsonb_agg(to_jsonb(s) ORDER BY s.name, s.id), '[]')
                FROM stops s JOIN trip_stops ts ON ts.stop_id = s.id WHERE ts.trip_id = t.id))::text AS sheet
        FROM unnest($1::text[]) AS asked (code) JOIN trips t ON t.public_code = asked.code JOIN events e ON e.id = t.event_id
        WHERE t.state <> 'draft'
        """,
        list(public_codes),
    )
    return {row["public_code"]: msgspec.json.decode(row["sheet"], type=TripSheet) for row in rows}
