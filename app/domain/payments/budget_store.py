"""SQL of the request budget that all processes share."""

import msgspec

from app.core.database import Connection, fetch_one


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests may be sent now; with none, in how many seconds to ask again."""

    granted: int
    wait_s: float


async def take_requests(
    conn: Connection, endpoint: str, *, wanted: int, for_sign_up: bool, account_per_s: float, endpoint_per_s: float
) -> Grant:
    """Takes up to `wanted` requests from the account's bucket and the endpoint's, or none. What it takes is gone, used or not."""
    return await fetch_one(
        conn,
        Grant,
        "SELECT granted, wait_s FROM take_requests($1, $2, $3, $4, $5)",
        endpoint,
        wanted,
        for_sign_up,
        account_per_s,
        endpoint_per_s,
    )


async def hold_requests(conn: Connection, bucket: str, *, pause_s: float) -> None:
    """Nobody gets a request from this bucket for so long (a minute at most)."""
    await conn.execute(
        "UPDATE request_budget SET held_until = busload_now() + make_interval(secs => least($2::float8, 60)) WHERE bucket = $1",
        bucket,
        pause_s,
    )
