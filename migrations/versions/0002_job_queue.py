"""The job queue's own tables, as pgqueuer's installer writes them; every table survives a crash.

Names are given here rather than read from PGQUEUER_* variables: a schema must not depend on who migrates. A pgqueuer that needs
another schema gets a revision that runs its upgrade statements.
"""

from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment
from pgqueuer.domain.settings import DBSettings, Durability

from migrations.run_sql import execute_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    queue = QueryBuilderEnvironment(DBSettings(prefix="", durability=Durability.durable))
    execute_script(queue.build_install_query(create_schema=False))
    execute_script(queue.build_optimize_autovacuum_query())
