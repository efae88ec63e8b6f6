"""What a revision does: run SQL through asyncpg itself, inside alembic's transaction.

SQLAlchemy prepares every statement, and PostgreSQL prepares neither several statements at once nor all kinds of them.
"""

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only

_SQL = Path(__file__).parent / "sql"


def run_sql(file_name: str) -> None:
    """Run `sql/<file_name>`; the file may hold any number of statements, none of them transaction control."""
    execute_script((_SQL / file_name).read_text(encoding="utf-8"))


def execute_script(sql: str) -> None:
    """Run a script in the transaction that also records the revision."""
    connection = op.get_bind()
    connection.exec_driver_sql("SELECT 1")  # the dialect opens its transaction with its first own statement
    raw: Any = connection.connection.driver_connection
    assert raw.is_in_transaction()
    await_only(raw.execute(sql))
