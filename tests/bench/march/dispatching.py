"""Booking closes, the solver plans the whole march, 135 operators say yes, manifests are issued."""

import asyncio
import time
from uuid import UUID, uuid4

import httpx
import msgspec

from app.domain.events import store as events
from app.stage.errors import StageError
from app.stage.rehearsal.calling import Caller
from tests.bench.march.collecting import PATIENCE_S, Clock
from tests.bench.march.country import Country
from tests.bench.march.stack import Field

POLL_S = 0.5
AT_ONCE = 16


class Dispatched(msgspec.Struct, frozen=True, kw_only=True):
    """What dispatch came to; seconds per stage."""

    freezing_s: float
    solving_s: float
    accepting_s: float
    duties: int
    gap: float | None
    unserved: int
    manifests: int
    riders_on_manifests: int


async def dispatch(field: Field, clock: Clock, country: Country) -> Dispatched:
    """From booking close to the last manifest."""
    async with field.pool.acquire() as conn:
        event = await events.get_event(conn, country.event_id)
    assert event is not None
    await clock.jump_to(event.booking_closes_at)
    freezing_s = await until(field, "SELECT EXISTS (SELECT FROM snapshots WHERE event_id = $1)", country.event_id)
    solving_s = await until(field, "SELECT EXISTS (SELECT FROM plans WHERE event_id = $1 AND is_current)", country.event_id)
    async with httpx.AsyncClient(base_url=field.webs[0], timeout=120.0, trust_env=False) as http:
        began = time.monotonic()
        await approve(field, Caller(http), country.event_id)
        await until(field, "SELECT NOT EXISTS (SELECT FROM offers WHERE event_id = $1 AND state = 'proposed')", country.event_id)
        await accept_all(field, Caller(http), country.event_id)
        await until(field, "SELECT NOT EXISTS (SELECT FROM trips WHERE event_id = $1 AND state = 'confirmed')", country.event_id)
        accepting_s = time.monotonic() - began
    row = await field.pool.fetchrow(
        """
        SELECT (SELECT gap FROM (SELECT cost_minor::float / nullif(bound_minor, 0) - 1 AS gap FROM plans
                                 WHERE event_id = $1 AND is_current) g) AS gap,
               (SELECT count(*) FROM plan_duties pd JOIN plans p ON p.id = pd.plan_id WHERE p.event_id = $1 AND p.is_current) AS duties,
               (SELECT count(*) FROM unserved_parties u JOIN plans p ON p.id = u.plan_id
                WHERE p.event_id = $1 AND p.is_current) AS unserved,
               (SELECT count(*) FROM current_manifests) AS manifests,
               (SELECT count(DISTINCT mp.pledge_id) FROM current_manifests c JOIN manifest_people mp USING (manifest_id)) AS riders
        """,
        country.event_id,
    )
    assert row is not None
    return Dispatched(
        freezing_s=freezing_s, solving_s=solving_s, accepting_s=accepting_s, duties=row["duties"], gap=row["gap"],
        unserved=row["unserved"], manifests=row["manifests"], riders_on_manifests=row["riders"],
    )  # fmt: skip


async def until(field: Field, question: str, event_id: UUID) -> float:
    """Waits until the database says yes; returns the seconds. StageError after PATIENCE_S."""
    began = time.monotonic()
    while not await field.pool.fetchval(question, event_id):
        if time.monotonic() - began > PATIENCE_S:
            raise StageError(f"waited {PATIENCE_S:.0f} s for: {question}")
        await asyncio.sleep(POLL_S)
    return time.monotonic() - began


async def approve(field: Field, nobody: Caller, event_id: UUID) -> None:
    """The organiser approves what fares do not carry, if anything."""
    shortfall = await field.pool.fetchval(
        "SELECT max(shortfall_minor) FROM plans WHERE event_id = $1 AND is_current AND needs_approval", event_id
    )
    if shortfall:
        organiser = await sign_in(nobody, "organiser")
        body = {"shortfall_minor": shortfall}
        await organiser.post(f"/api/events/{event_id}/shortfall/approve", body, key=uuid4().hex)


async def sign_in(nobody: Caller, role: str, code: str | None = None) -> Caller:
    """Somebody of the demo's people."""
    body = {"role": role} | ({"code": code} if code else {})
    return nobody.as_bearer((await nobody.post("/api/demo/sessions", body))["token"])


async def accept_all(field: Field, nobody: Caller, event_id: UUID) -> None:
    """Every operator answers all of its offers with yes, many operators at a time."""
    rows = await field.pool.fetch(
        """
        SELECT op.public_code, array_agg(o.id ORDER BY o.id) AS offers FROM offers o JOIN operators op ON op.id = o.operator_id
        WHERE o.event_id = $1 AND o.state = 'sent' GROUP BY op.public_code ORDER BY op.public_code
        """,
        event_id,
    )
    gate = asyncio.Semaphore(AT_ONCE)

    async def answer(code: str, offers: list[UUID]) -> None:
        async with gate:
            operator = await sign_in(nobody, "operator", code)
            for offer in offers:
                await operator.post(f"/api/operator/offers/{offer}/accept", may_repeat=True)

    await asyncio.gather(*(answer(row["public_code"], row["offers"]) for row in rows))
