"""SQL of the lines before hot trips. They pace people in real time and are no part of the domain's clock."""

from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_maybe, fetch_one


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """The last number given, and the last one let in."""

    given: int
    let_in: int


async def commit_without_waiting(conn: Connection) -> None:
    """This transaction's commit need not wait for the disk: a number given twice after a crash costs nobody a place."""
    await conn.execute("SELECT set_config('synchronous_commit', 'off', true)")


async def give_numbers(conn: Connection, trip_id: UUID, count: int) -> Line:
    """Gives the next numbers; two processes never give the same one."""
    return await fetch_one(
        conn,
        Line,
        """
        INSERT INTO waiting_rooms (trip_id, given) VALUES ($1, $2::int)
        ON CONFLICT (trip_id) DO UPDATE SET given = waiting_rooms.given + $2::int RETURNING given, let_in
        """,
        trip_id,
        count,
    )


async def let_in(conn: Connection, trip_id: UUID, count: int) -> Line | None:
    """Lets people in, in the order of their numbers; None when nobody waits."""
    return await fetch_maybe(
        conn,
        Line,
        """
        UPDATE waiting_rooms SET let_in = least(given, let_in + $2::int) WHERE trip_id = $1 AND let_in < given RETURNING given, let_in
        """,
        trip_id,
        count,
    )
