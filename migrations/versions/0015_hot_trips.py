"""Hot trips: pledges in batches, waiting room."""

from migrations.run_sql import run_sql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_sql("0015_hot_trips.sql")
