"""The offer's machine in the code and in the database are one."""

from app.core.database import Connection
from app.domain.dispatch.model import OFFER_MACHINE, Cause, DeclineReason


async def test_the_database_knows_the_same_arrows(conn: Connection) -> None:
    rows = await conn.fetch("SELECT machine, from_state, to_state FROM state_transitions WHERE machine = 'offer'")
    assert {tuple(row) for row in rows} == OFFER_MACHINE.rows()


async def test_the_database_accepts_every_cause_and_reason_and_no_other(conn: Connection) -> None:
    for table, column, words in (("replans", "cause", list(Cause)), ("offers", "decline_reason", list(DeclineReason))):
        checks = await conn.fetchval(
            """
            SELECT string_agg(pg_get_constraintdef(oid), ' ') FROM pg_constraint
            WHERE conrelid = $1::text::regclass AND contype = 'c' AND pg_get_constraintdef(oid) LIKE '%' || $2 || ' = ANY%'
            """,
            table,
            column,
        )
        assert {word.split("'")[0] for word in checks.split("'")[1::2]} == {word.value for word in words}
