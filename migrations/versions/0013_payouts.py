"""Payouts: Connect accounts, transfers, statements, shares."""

from migrations.run_sql import run_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_sql("0013_payouts.sql")
