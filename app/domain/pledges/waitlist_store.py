"""SQL of trips' waiting lines."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all, fetch_maybe
from app.domain.pledges.model import WaitState


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A party in a line; `pledge_id` is the one that holds the seats it was offered."""

    id: UUID
    trip_id: UUID
    event_id: UUID
    stop_id: UUID
    name: str
    email: str
    email_normalised: str
    locale: str
    seats: int
    wheelchairs: int
    people: int
    legs: list[str]
    state: WaitState
    pledge_id: UUID | None
    created_at: datetime


async def add_waiting(
    conn: Connection, *, entry_id: UUID, trip_id: UUID, event_id: UUID, stop_id: UUID, name: str, email: str, email_normalised: str,
    locale: str, seats: int, wheelchairs: int, legs: Sequence[str], token_hash: bytes,
) -> None:  # fmt: skip
    """Puts a party at the end of a line; UniqueViolationError `waitlist_one_waiting` when its address waits already."""
    await conn.execute(
        """
        INSERT INTO waitlist (id, trip_id, event_id, stop_id, name, email, email_normalised, locale, seats, wheelchairs, legs, token_hash,
            state)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'waiting')
        """,
        entry_id, trip_id, event_id, stop_id, name, email, email_normalised, locale, seats, wheelchairs, list(legs), token_hash,
    )  # fmt: skip


async def lock_line(conn: Connection, trip_id: UUID) -> list[Waiting]:
    """Who waits for a trip, in turn, locked; the trip is locked before."""
    return await fetch_all(
        conn,
        Waiting,
        """
        SELECT id, trip_id, event_id, stop_id, name, email::text, email_normalised, locale, seats, wheelchairs, people, legs, state,
            pledge_id, created_at
        FROM waitlist WHERE trip_id = $1 AND state = 'waiting' ORDER BY id FOR NO KEY UPDATE
        """,
        trip_id,
    )


async def list_waiting_people(conn: Connection, trip_id: UUID) -> list[int]:
    """The parties in a trip's line in turn, by their people alone."""
    rows = await conn.fetch("SELECT people FROM waitlist WHERE trip_id = $1 AND state = 'waiting' ORDER BY id", trip_id)
    return [row["people"] for row in rows]


async def find_by_token(conn: Connection, token_hash: bytes) -> Waiting | None:
    """The party a waitlist link opens."""
    return await fetch_maybe(
        conn,
        Waiting,
        """
        SELECT id, trip_id, event_id, stop_id, name, email::text, email_normalised, locale, seats, wheelchairs, people, legs, state,
            pledge_id, created_at
        FROM waitlist WHERE token_hash = $1
        """,
        token_hash,
    )


async def find_place(conn: Connection, entry_id: UUID) -> tuple[int, int]:
    """Where a waiting party stands: its place in line, counted from 1, and the people before it."""
    row = await conn.fetchrow(
        """
        SELECT count(*) + 1 AS place, coalesce(sum(w.people), 0) AS people_before
        FROM waitlist me JOIN waitlist w ON w.trip_id = me.trip_id AND w.state = 'waiting' AND w.id < me.id WHERE me.id = $1
        """,
        entry_id,
    )
    assert row is not None, "an aggregate has one row"
    return int(row["place"]), int(row["people_before"])


async def set_offered(conn: Connection, entry_ids: Sequence[UUID], pledge_ids: Sequence[UUID]) -> None:
    """These waiting parties are offered seats, each held by a pledge of its own."""
    await conn.execute(
        """
        UPDATE waitlist w SET state = 'offered', pledge_id = offer.pledge_id
        FROM unnest($1::uuid[], $2::uuid[]) AS offer (entry_id, pledge_id) WHERE w.id = offer.entry_id AND w.state = 'waiting'
        """,
        list(entry_ids),
        list(pledge_ids),
    )


async def end_waiting(conn: Connection, entry_ids: Sequence[UUID], *, go_to: WaitState) -> list[UUID]:
    """These parties wait no longer; returns those that did."""
    rows = await conn.fetch(
        "UPDATE waitlist SET state = $2 WHERE id = ANY($1::uuid[]) AND state = 'waiting' RETURNING id", list(entry_ids), go_to.value
    )
    return [row["id"] for row in rows]


async def is_offer(conn: Connection, pledge_id: UUID) -> bool:
    """Whether a pledge holds seats that the line was offered."""
    return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM waitlist WHERE pledge_id = $1)", pledge_id))
