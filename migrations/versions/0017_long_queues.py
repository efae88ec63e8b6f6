"""Long queues: picking a job and polling for news cost the same whatever waits."""

from migrations.run_sql import run_sql

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_sql("0017_long_queues.sql")
