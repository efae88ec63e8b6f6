"""Protection: passkeys, rate limits, velocity hold, erasure."""

from migrations.run_sql import run_sql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_sql("0016_protection.sql")
