"""Alembic's entry: runs the pending revisions on the connection that `app.core.migrate` hands over, one transaction each."""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

connection = context.config.attributes["connection"]
applied: list[str] = context.config.attributes["applied"]


def note_applied(ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]) -> None:
    """Collect what ran, for the caller's report; alembic passes these four by name."""
    del ctx, heads, run_args
    applied.append(str(step.up_revision_id))


context.configure(connection=connection, transaction_per_migration=True, on_version_apply=note_applied)
with context.begin_transaction():
    context.run_migrations()
