"""The doctor over HTTP: for organisers, and for everyone where the database is marked demo or test (a rehearsal asks it)."""

import msgspec
from litestar import get
from litestar.di import NamedDependency

from app.core.clock import Mark, read_mark
from app.core.database import Pool
from app.flows.doctor import Finding, examine
from app.flows.invariants import Violation, find_violations
from app.settings import Settings
from app.web.actors import CurrentActor


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """What the doctor found. `violations` holds the violated invariants by name; `ok` says that nothing is wrong."""

    ok: bool
    mark: Mark
    findings: list[Finding]
    violations: dict[str, list[Violation]]


@get("/api/doctor", tags=["organiser"])
async def diagnose(pool: NamedDependency[Pool], settings: NamedDependency[Settings], actor: CurrentActor) -> Diagnosis:
    """Everything `busload doctor` looks at, and every invariant with what violates it."""
    async with pool.acquire() as conn:
        mark = await read_mark(conn)
        if mark is Mark.LIVE:
            actor.require_organiser()
        violations = await find_violations(conn)
    findings = await examine(settings)
    return Diagnosis(ok=all(finding.ok for finding in findings) and not violations, mark=mark, findings=findings, violations=violations)


ROUTES = [diagnose]
