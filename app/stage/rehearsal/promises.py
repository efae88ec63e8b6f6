"""What the service said yes to while the event was played: at the end each must stand in the database, whatever broke meanwhile."""

from collections.abc import Sequence

import msgspec

from app.core.database import Connection


class PromisedPledge(msgspec.Struct, frozen=True, kw_only=True):
    """A pledge that was answered with 201."""

    id: str
    trip_id: str
    email: str
    seats: int
    wheelchairs: int


class Promises:
    """Ids by what was acknowledged."""

    def __init__(self) -> None:
        self.pledges: list[PromisedPledge] = []
        self.withdrawn: list[str] = []
        self.accepted: list[str] = []
        self.declined: list[str] = []
        self.checked_in: list[str] = []

    @property
    def count(self) -> int:
        """How many yeses."""
        return len(self.pledges) + len(self.withdrawn) + len(self.accepted) + len(self.declined) + len(self.checked_in)


async def broken_promises(conn: Connection, promises: Promises) -> list[str]:
    """Each acknowledged write the database does not hold, named."""
    return [
        *await _lost_pledges(conn, promises.pledges),
        *await _lost_withdrawals(conn, promises.withdrawn),
        *await _lost_answers(conn, promises.accepted, "accepted", ["accepted", "withdrawn", "failed"]),
        *await _lost_answers(conn, promises.declined, "declined", ["declined"]),
        *await _lost_check_ins(conn, promises.checked_in),
    ]


async def _lost_pledges(conn: Connection, wanted: Sequence[PromisedPledge]) -> list[str]:
    """Not there, or not on the trip, for the person and the places that were asked for."""
    rows = await conn.fetch(
        """
        SELECT w.id
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::integer[]) AS w (id, trip_id, email, seats, wheelchairs)
        WHERE NOT EXISTS (
            SELECT FROM pledges p WHERE p.id = w.id AND p.trip_id = w.trip_id AND p.email = w.email::citext
                AND p.seats = w.seats AND p.wheelchairs = w.wheelchairs)
        """,
        [one.id for one in wanted],
        [one.trip_id for one in wanted],
        [one.email for one in wanted],
        [one.seats for one in wanted],
        [one.wheelchairs for one in wanted],
    )
    return [f"pledge {row['id']} was answered with 201 and is not there as it was asked for" for row in rows]


async def _lost_withdrawals(conn: Connection, ids: Sequence[str]) -> list[str]:
    rows = await conn.fetch(
        """
        SELECT w.id, p.state FROM unnest($1::uuid[]) AS w (id) LEFT JOIN pledges p ON p.id = w.id
        WHERE p.state IS NULL OR p.state NOT IN ('withdrawn', 'refunded')
        """,
        ids,
    )
    return [f"pledge {row['id']} was withdrawn and is {row['state'] or 'gone'}" for row in rows]


async def _lost_answers(conn: Connection, ids: Sequence[str], answer: str, states: list[str]) -> list[str]:
    """An accepted offer may have been given back since; its answer is dated all the same."""
    rows = await conn.fetch(
        """
        SELECT w.id, o.state FROM unnest($1::uuid[]) AS w (id) LEFT JOIN offers o ON o.id = w.id
        WHERE o.decided_at IS NULL OR o.state <> ALL ($2::text[])
        """,
        ids,
        states,
    )
    return [f"offer {row['id']} was {answer} and is {row['state'] or 'gone'}" for row in rows]


async def _lost_check_ins(conn: Connection, ids: Sequence[str]) -> list[str]:
    rows = await conn.fetch(
        "SELECT w.id FROM unnest($1::uuid[]) AS w (id) WHERE NOT EXISTS (SELECT FROM check_ins c WHERE c.id = w.id)", ids
    )
    return [f"check-in {row['id']} was taken and is not there" for row in rows]
