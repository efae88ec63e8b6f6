"""Every statement fits the migrated schema; hot ones find their rows by an index."""

import asyncpg
import pytest

from app.core.database import Connection
from tests.support.statements import read_formatted_sql, read_statements

STATEMENTS = [statement for statement in read_statements() if not statement.where.startswith("core/migrate.py")]  # Alembic's own style
HOT = {
    "domain/pledges/store.py:find_by_token": "pledges_manage_token_hash_key",
    "domain/pledges/store.py:find_by_setup_session": "pledges_setup_session_ref_key",
    "domain/pledges/store.py:lock_pledges_of_trip": "pledges_trip",
    "domain/pledges/store.py:list_pledges_of_event": "pledges_event",
    "domain/pledges/store.py:people_on_card": "pledges_fingerprint",
    "domain/trips/store.py:list_trips": "trips_event",
    "domain/payments/store.py:lock_payments_of": "payments_reference_purpose_key",
    "domain/payments/store.py:find_payment_by_intent": "payments_intent_ref_key",
    "domain/payments/store.py:alarm_stuck": "payments_unsettled",
    "domain/payments/inbox_store.py:list_open_stripe_events": "stripe_events_open",
    "core/timers.py:claim_due": "timers_due",
    "domain/accounts/store.py:find_signed_in": "sessions_token_hash_key",
}


async def test_every_statement_fits_the_migrated_schema(conn: Connection) -> None:
    assert len(STATEMENTS) > 200, "the reader has lost its eyes"
    faults = []
    for statement in STATEMENTS:
        try:
            async with conn.transaction():
                await conn.prepare(statement.sql)
        except asyncpg.PostgresError as error:
            faults.append(f"{statement.where}: {error}")
    assert faults == []


def test_no_statement_is_put_together_from_pieces() -> None:
    allowed = ("stage/",)  # names of databases and settings of a private server, none from outside
    assert [where for where in read_formatted_sql() if not where.startswith(allowed)] == []


async def leave_only(conn: Connection, index: str) -> None:
    """Takes every other index of the index's table away (the test's transaction is rolled back).

    What an almost empty table's plan would prefer is chance; whether the statement can use this index is not.
    """
    others = await conn.fetch(
        """
        SELECT i.indexrelid::regclass::text AS name, i.indrelid::regclass::text AS owner, c.conname AS constraint_name
        FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x')
        WHERE i.indrelid = (SELECT indrelid FROM pg_index WHERE indexrelid = $1::text::regclass) AND i.indexrelid <> $1::text::regclass
        """,
        index,
    )
    for other in others:
        if other["constraint_name"]:
            await conn.execute(f"ALTER TABLE {other['owner']} DROP CONSTRAINT {other['constraint_name']} CASCADE")
        else:
            await conn.execute(f"DROP INDEX {other['name']}")


@pytest.mark.parametrize(("where", "index"), HOT.items())
async def test_a_hot_query_finds_its_rows_by_its_index(conn: Connection, where: str, index: str) -> None:
    (sql,) = [statement.sql for statement in STATEMENTS if statement.where == where]
    nothing = ", ".join("NULL" for _ in (await conn.prepare(sql)).get_parameters())
    await leave_only(conn, index)
    await conn.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL plan_cache_mode = force_generic_plan")
    await conn.execute(f"PREPARE hot AS {sql}")
    plan = await conn.fetch(f"EXPLAIN EXECUTE hot({nothing})" if nothing else "EXPLAIN EXECUTE hot")
    await conn.execute("DEALLOCATE hot")
    assert index in "\n".join(row[0] for row in plan)
