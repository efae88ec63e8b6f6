"""After the confirmation: refund ladder, seat transfer, waitlist."""

from migrations.run_sql import run_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_sql("0012_after_confirmation.sql")
