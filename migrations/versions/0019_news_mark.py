"""Stripe's news: the poller's place in Stripe's list is written down, not worked out."""

from migrations.run_sql import run_sql

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_sql("0019_news_mark.sql")
