"""A hot trip: whoever pledges is found by their address, whatever the trip holds."""

from migrations.run_sql import run_sql

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run_sql("0018_hot_trip.sql")
