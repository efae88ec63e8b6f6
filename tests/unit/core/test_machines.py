"""State machines are the same in Python and in the database; the database refuses every other arrow and writes each one down."""

import importlib
import pkgutil
from typing import Any
from uuid import UUID

import asyncpg
import pytest

import app.domain
from app.core.database import Connection, Pool
from app.core.ids import new_id
from app.core.machine import Machine
from app.domain.events.model import EVENT_MACHINE, STOP_MACHINE
from app.domain.payments.ledger import post
from app.domain.payments.model import DISPUTE_MACHINE, PAYMENT_MACHINE, REFUND_MACHINE
from app.domain.payments.payouts.model import PAYEE_MACHINE, PAYOUT_MACHINE, REVERSAL_MACHINE
from app.domain.pledges.model import PLEDGE_MACHINE
from app.domain.trips.model import TRIP_MACHINE
from app.flows.card_saved import card_saved
from tests.support.server import ScratchDatabase
from tests.support.threshold import on_sale, place, saved_card

TABLES: dict[str, Machine[Any]] = {
    "trips": TRIP_MACHINE, "pledges": PLEDGE_MACHINE, "payments": PAYMENT_MACHINE, "refunds": REFUND_MACHINE, "events": EVENT_MACHINE,
    "stops": STOP_MACHINE, "payees": PAYEE_MACHINE, "payouts": PAYOUT_MACHINE, "payout_reversals": REVERSAL_MACHINE,
    "disputes": DISPUTE_MACHINE,
}  # fmt: skip
APPEND_ONLY = (
    "audit",
    "ledger_entries",
    "ledger_transactions",
    "confirmations",
    "hires",
    "hire_corrections",
    "debts",
    "debt_settlements",
    "refund_failures",
)


def machines() -> list[Machine[Any]]:
    """Every machine a slice's model declares."""
    found = {}
    for module in pkgutil.walk_packages(app.domain.__path__, "app.domain."):
        if module.name.endswith(".model"):
            declared = vars(importlib.import_module(module.name)).values()
            found.update({thing.name: thing for thing in declared if isinstance(thing, Machine)})
    return list(found.values())


async def test_the_machines_of_the_code_are_those_of_the_database(conn: Connection) -> None:
    rows = await conn.fetch("SELECT machine, from_state, to_state FROM state_transitions")
    in_code = {row for machine in machines() for row in machine.rows()}
    assert {tuple(row) for row in rows} == in_code


async def charged(pool: Pool) -> dict[str, UUID]:
    """One row of each machine, of a charged pledge with a refund due."""
    sale = await on_sale(pool, minimum=1)
    pledge = (await place(pool, sale)).pledge
    await card_saved(pool, pledge.id, saved_card(pledge.id))
    async with pool.acquire() as conn:
        payment_id = await conn.fetchval("SELECT id FROM payments")
        await conn.execute("UPDATE payments SET intent_ref = 'pi_1', settled_at = busload_now()")
        refund_id = new_id()
        await conn.execute(
            "INSERT INTO refunds (id, payment_id, reason, amount_minor, currency, state) VALUES ($1, $2, 'ladder', 1, 'USD', 'due')",
            refund_id,
            payment_id,
        )
        dispute_id = new_id()
        await conn.execute(
            """
            INSERT INTO disputes (id, payment_id, dispute_ref, charge_ref, amount_minor, currency, reason, state, submitted_at)
            VALUES ($1, $2, 'du_1', 'ch_1', 1, 'USD', 'general', 'open', busload_now())
            """,
            dispute_id,
            payment_id,
        )
        paying = await paid_out(conn, sale.event_id)
    return {
        "trips": sale.trip_id, "pledges": pledge.id, "payments": payment_id, "refunds": refund_id, "events": sale.event_id,
        "stops": sale.stop_id, "disputes": dispute_id, **paying,
    }  # fmt: skip


async def paid_out(conn: Connection, event_id: UUID) -> dict[str, UUID]:
    """A payee, a payout that the event's money carries, and a reversal of it."""
    payee_id, payout_id, duty_id, correction_id, reversal_id = (new_id() for _ in range(5))
    book = f"event:{event_id}"
    await conn.execute(
        "INSERT INTO payees (id, kind, state, account_ref) VALUES ($1, 'operator', 'information_needed', 'acct_1')", payee_id
    )
    await post(
        conn,
        kind="subsidy",
        cause=new_id(),
        book=book,
        currency="USD",
        external_ref=None,
        entries=[("house:subsidy", 9), ("riders:fares", -9)],
    )
    await conn.execute(
        """
        INSERT INTO hires (duty_id, payee_id, book, currency, gross_minor, vat_bp, tax_minor, reserve_minor)
        VALUES ($1, $2, $3, 'USD', 2, 0, 0, 0)
        """,
        duty_id,
        payee_id,
        book,
    )
    await conn.execute(
        """
        INSERT INTO payouts (id, kind, reference, payee_id, book, currency, owed_minor, amount_minor, state, account_ref, transfer_ref,
            not_before_at, settled_at)
        VALUES ($1, 'hire', $2, $3, $4, 'USD', 2, 2, 'due', 'acct_1', 'tr_1', busload_now(), busload_now())
        """,
        payout_id,
        duty_id,
        payee_id,
        book,
    )
    await conn.execute(
        "INSERT INTO hire_corrections (id, duty_id, amount_minor, reason, actor) VALUES ($1, $2, 1, 'late', 'test')", correction_id, duty_id
    )
    await conn.execute("UPDATE payouts SET state = 'submitting', submitted_at = busload_now()")
    await conn.execute("UPDATE payouts SET state = 'succeeded'")
    await conn.execute(
        """
        INSERT INTO payout_reversals (id, payout_id, correction_id, amount_minor, currency, state) VALUES ($1, $2, $3, 1, 'USD', 'due')
        """,
        reversal_id,
        payout_id,
        correction_id,
    )
    return {"payees": payee_id, "payouts": payout_id, "payout_reversals": reversal_id}


async def walk(conn: Connection, table: str, row_id: UUID, come_from: str, go_to: str) -> int:
    """Sets a row in one state behind the database's back, then moves it; returns how many audit rows that wrote."""
    await conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER transitions")
    await conn.execute(f"UPDATE {table} SET state = $2 WHERE id = $1", row_id, come_from)
    await conn.execute(f"ALTER TABLE {table} ENABLE TRIGGER transitions")
    before = await conn.fetchval("SELECT count(*) FROM audit")
    await conn.execute(f"UPDATE {table} SET state = $2 WHERE id = $1", row_id, go_to)
    return int(await conn.fetchval("SELECT count(*) FROM audit") - before)


async def test_sql_allows_each_arrow_with_one_audit_row_and_refuses_every_other(database: ScratchDatabase) -> None:
    pool = await database.pool(size=3)
    rows = await charged(pool)
    async with pool.acquire() as conn:
        for table, machine in TABLES.items():
            states = {state for row in machine.rows() for state in row[1:] if state}
            for come_from in sorted(states):
                for go_to in sorted(states - {come_from}):
                    attempt = conn.transaction()
                    await attempt.start()
                    try:
                        written: int | str = await walk(conn, table, rows[table], come_from, go_to)
                    except asyncpg.CheckViolationError as error:
                        written = str(error.constraint_name)
                    await attempt.rollback()
                    allowed = (machine.name, come_from, go_to) in machine.rows()
                    assert written == (1 if allowed else "state_transitions"), f"{table}: {come_from} -> {go_to}"


async def test_a_row_is_not_born_in_the_middle_of_its_life(database: ScratchDatabase) -> None:
    pool = await database.pool(size=3)
    rows = await charged(pool)
    with pytest.raises(asyncpg.CheckViolationError, match="cannot be born"):
        await pool.execute(
            "INSERT INTO refunds (payment_id, reason, amount_minor, currency, state) VALUES ($1, 'unseated', 1, 'USD', 'succeeded')",
            rows["payments"],
        )


@pytest.mark.parametrize("table", [*APPEND_ONLY, *TABLES])
async def test_history_is_never_deleted_and_what_is_written_is_never_rewritten(conn: Connection, table: str) -> None:
    attempts = [f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"]
    if table in APPEND_ONLY:
        column = await conn.fetchval(
            "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND is_generated = 'NEVER' AND is_identity = 'NO'",
            table,
        )
        attempts.append(f"UPDATE {table} SET {column} = {column}")
    for sql in attempts:
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            async with conn.transaction():
                await conn.execute(sql)
