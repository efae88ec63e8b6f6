"""SQL of paid demand: read from pledges and trips, which dispatch never writes."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all
from app.domain.dispatch.model import Party, Scope
from app.domain.fleet.model import Span


async def list_paid_parties(conn: Connection, event_id: UUID) -> list[Party]:
    """The paid parties of an event's trips that are to run or under way.

    Also of departed ones: another bus of theirs, or their way back, can be lost after the first bus has left.
    """
    return await fetch_all(
        conn,
        Party,
        """
        SELECT p.id AS pledge_id, p.trip_id, p.stop_id, p.seats, p.wheelchairs, p.legs
        FROM pledges p JOIN trips t ON t.id = p.trip_id
        WHERE p.event_id = $1 AND p.state = 'paid' AND t.state IN ('confirmed', 'allocated', 'departed') ORDER BY p.id
        """,
        event_id,
    )


async def list_parties_of_duty(conn: Connection, duty_id: UUID) -> list[Party]:
    """Who rides a duty, those who left excluded."""
    return await fetch_all(
        conn,
        Party,
        """
        SELECT p.id AS pledge_id, p.trip_id, p.stop_id, p.seats, p.wheelchairs, p.legs
        FROM duty_parties dp JOIN pledges p ON p.id = dp.pledge_id
        WHERE dp.duty_id = $1 AND dp.left_at IS NULL ORDER BY p.id
        """,
        duty_id,
    )


class DutyParty(Party, frozen=True, kw_only=True):
    """A party and the duty it rides."""

    duty_id: UUID


async def list_parties_of_duties(conn: Connection, duty_ids: Sequence[UUID]) -> list[DutyParty]:
    """Who rides these duties, those who left excluded; in one question, because a stadium has hundreds of duties."""
    return await fetch_all(
        conn,
        DutyParty,
        """
        SELECT dp.duty_id, p.id AS pledge_id, p.trip_id, p.stop_id, p.seats, p.wheelchairs, p.legs
        FROM duty_parties dp JOIN pledges p ON p.id = dp.pledge_id
        WHERE dp.duty_id = ANY($1) AND dp.left_at IS NULL ORDER BY p.id
        """,
        list(duty_ids),
    )


async def list_seated_pledges(conn: Connection, event_id: UUID, scope: Scope) -> set[UUID]:
    """Pledges with a place on an accepted duty of this scope."""
    rows = await conn.fetch(
        """
        SELECT dp.pledge_id FROM duty_parties dp
        JOIN duties d ON d.id = dp.duty_id JOIN offers o ON o.duty_id = d.id AND o.state = 'accepted'
        WHERE d.event_id = $1 AND d.scope = $2 AND dp.left_at IS NULL
        """,
        event_id,
        scope.value,
    )
    return {row["pledge_id"] for row in rows}


class TakenSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle's time that an accepted duty takes."""

    vehicle_id: UUID
    starts_at: datetime
    ends_at: datetime

    @property
    def span(self) -> Span:
        """Its time alone."""
        return Span(starts_at=self.starts_at, ends_at=self.ends_at)


async def list_taken_spans(conn: Connection, vehicle_ids: list[UUID], *, starts_at: datetime, ends_at: datetime) -> list[TakenSpan]:
    """When accepted duties of any event take these vehicles."""
    return await fetch_all(
        conn,
        TakenSpan,
        """
        SELECT vehicle_id, lower(during) AS starts_at, upper(during) AS ends_at FROM offers
        WHERE vehicle_id = ANY($1) AND state = 'accepted' AND during && tstzrange($2, $3) ORDER BY vehicle_id, during
        """,
        vehicle_ids,
        starts_at,
        ends_at,
    )


async def fares_held_minor(conn: Connection, event_id: UUID, *, without: Sequence[UUID]) -> int:
    """What an event's riders have paid and not been given back, minor units; those in `without` (unserved) not counted.

    What stays of those who left by the refund ladder counts: it is part of the fares.
    """
    found: int = await conn.fetchval(
        """
        SELECT coalesce(sum(m.amount_minor - coalesce(r.back_minor, 0)), 0)::bigint
        FROM pledges p
        JOIN payments m ON m.reference = p.id AND m.state IN ('succeeded', 'won')
        LEFT JOIN LATERAL (
            SELECT sum(amount_minor) AS back_minor FROM refunds WHERE payment_id = m.id AND state <> 'failed'
        ) r ON true
        WHERE p.event_id = $1 AND p.state IN ('paid', 'travelled', 'no_show', 'refunded', 'withdrawn') AND p.id <> ALL($2)
        """,
        event_id,
        list(without),
    )
    return found


async def list_parties_by_id(conn: Connection, pledge_ids: Sequence[UUID]) -> list[Party]:
    """These parties, whatever has become of them."""
    return await fetch_all(
        conn,
        Party,
        "SELECT id AS pledge_id, trip_id, stop_id, seats, wheelchairs, legs FROM pledges WHERE id = ANY($1) ORDER BY id",
        list(pledge_ids),
    )
