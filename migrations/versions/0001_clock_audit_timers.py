"""Clock audit timers."""

from migrations.run_sql import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_sql("0001_clock_audit_timers.sql")
