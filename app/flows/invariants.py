"""What must hold at any time (DOMAIN.md section 6): the queries of invariants.sql, run one by one."""

import re
from pathlib import Path

import msgspec

from app.core.database import Connection, fetch_all

SOURCE = Path(__file__).with_name("invariants.sql")
_HEADING = re.compile(r"^-- (I\d\d [^\n]+)$", re.MULTILINE)


class Invariant(msgspec.Struct, frozen=True, kw_only=True):
    """A name such as `I06 counters match pledges, under the cap` and the query of what violates it."""

    name: str
    sql: str


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """What breaks an invariant (an id, mostly) and how."""

    subject: str
    detail: str


def read_invariants() -> list[Invariant]:
    """All invariants in order."""
    parts = _HEADING.split(SOURCE.read_text(encoding="utf-8"))
    return [Invariant(name=name.strip(), sql=sql.strip()) for name, sql in zip(parts[1::2], parts[2::2], strict=True)]


async def violations_of(conn: Connection, invariant: Invariant) -> list[Violation]:
    """What violates one invariant now."""
    return await fetch_all(conn, Violation, invariant.sql)


async def find_violations(conn: Connection) -> dict[str, list[Violation]]:
    """The violated invariants by name, each with what violates it; {} on a healthy database."""
    found = {invariant.name: await violations_of(conn, invariant) for invariant in read_invariants()}
    return {name: violations for name, violations in found.items() if violations}
