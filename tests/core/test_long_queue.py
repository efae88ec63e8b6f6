"""Picking a job costs the same whatever waits of other kinds."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.queries import Queries

from app.core.database import Connection
from app.worker import CONCURRENCY, JOBS

WAITING = 3_000
FEW = 500


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


async def test_a_pick_reads_no_jobs_of_other_kinds(conn: Connection) -> None:
    await conn.execute(
        """
        INSERT INTO pgqueuer (priority, entrypoint, payload, status, created, updated, heartbeat, execute_after)
        SELECT 0, kind, NULL, 'queued', now(), now(), now(), now() - interval '1 minute'
        FROM generate_series(1, $1), unnest(ARRAY['charge_payment', 'send_mail']) AS kind
        """,
        WAITING,
    )
    await conn.execute("ANALYZE pgqueuer")
    asked = Queries(AsyncpgDriver(conn)).qbq.build_dequeue_query(  # type: ignore[arg-type]
        batch_size=10,
        entrypoints=list(JOBS),
        concurrency_limits=[CONCURRENCY.get(name, 0) for name in JOBS],
        queue_manager_id=uuid4(),
        global_concurrency_limit=40,
        heartbeat_timeout=timedelta(seconds=6),
    )
    explained = json.loads(await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked.sql}", *asked.args))
    passed_over = {
        node.get("Index Name"): node.get("Rows Removed by Filter", 0) * node["Actual Loops"] for node in nodes(explained[0]["Plan"])
    }
    assert max(passed_over.values()) < FEW, passed_over
