"""Collection: the shared request budget, reminders, receipts."""

from migrations.run_sql import run_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_sql("0011_collection.sql")
