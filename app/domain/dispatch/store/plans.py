"""SQL of plans, their duties, and the parties they seat or leave."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from app.core.database import Connection, fetch_all
from app.domain.dispatch.model import Duty, DutyDraft, Plan, Scope


async def add_plan(conn: Connection, plan: Plan, *, document: object) -> None:
    """Stores a plan and makes it its scope's current one."""
    await conn.execute(
        "UPDATE plans SET is_current = false WHERE event_id = $1 AND scope = $2 AND is_current", plan.event_id, plan.scope.value
    )
    await conn.execute(
        """
        INSERT INTO plans (id, event_id, snapshot_id, scope, status, cost_minor, bound_minor, seconds, document, is_current, needs_approval,
            shortfall_minor)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, true, $10, $11)
        """,
        plan.id,
        plan.event_id,
        plan.snapshot_id,
        plan.scope.value,
        plan.status,
        plan.cost_minor,
        plan.bound_minor,
        plan.seconds,
        document,
        plan.needs_approval,
        plan.shortfall_minor,
    )


async def list_current_plans(conn: Connection, event_id: UUID) -> list[Plan]:
    """The current plan of each scope of an event."""
    return await fetch_all(
        conn,
        Plan,
        """
        SELECT p.id, p.event_id, p.snapshot_id, p.scope, s.round, p.status, p.cost_minor, p.bound_minor, p.seconds, p.is_current,
               jsonb_array_length(s.fixed) + coalesce(jsonb_array_length(p.document -> 'kept'), 0) AS kept_duties,
               p.needs_approval, p.shortfall_minor, p.approved_by, p.created_at
        FROM plans p JOIN snapshots s ON s.id = p.snapshot_id WHERE p.event_id = $1 AND p.is_current ORDER BY p.scope
        """,
        event_id,
    )


async def list_plans(conn: Connection, event_id: UUID) -> list[Plan]:
    """Every plan of an event, newest first."""
    return await fetch_all(
        conn,
        Plan,
        """
        SELECT p.id, p.event_id, p.snapshot_id, p.scope, s.round, p.status, p.cost_minor, p.bound_minor, p.seconds, p.is_current,
               jsonb_array_length(s.fixed) + coalesce(jsonb_array_length(p.document -> 'kept'), 0) AS kept_duties,
               p.needs_approval, p.shortfall_minor, p.approved_by, p.created_at
        FROM plans p JOIN snapshots s ON s.id = p.snapshot_id WHERE p.event_id = $1 ORDER BY s.round DESC, p.scope
        """,
        event_id,
    )


async def has_plan(conn: Connection, snapshot_id: UUID) -> bool:
    """Whether a snapshot is answered."""
    return bool(await conn.fetchval("SELECT true FROM plans WHERE snapshot_id = $1", snapshot_id))


async def read_document(conn: Connection, plan_id: UUID) -> dict[str, object]:
    """The busload.plan/1 document of a plan."""
    found: dict[str, object] = await conn.fetchval("SELECT document FROM plans WHERE id = $1", plan_id)
    return found


async def ask_approval(conn: Connection, plan_ids: Sequence[UUID], *, shortfall_minor: int) -> None:
    """Holds the offers of these plans until an organiser approves the shortfall; 0 lets them go."""
    await conn.execute("UPDATE plans SET needs_approval = $2 > 0, shortfall_minor = $2 WHERE id = ANY($1)", list(plan_ids), shortfall_minor)


async def approve_plans(conn: Connection, plan_ids: Sequence[UUID], *, account_id: UUID | None) -> None:
    """The organiser's yes."""
    await conn.execute("UPDATE plans SET needs_approval = false, approved_by = $2 WHERE id = ANY($1)", list(plan_ids), account_id)


async def keep_duty(conn: Connection, *, duty_id: UUID, public_code: str, event_id: UUID, draft: DutyDraft) -> UUID:
    """Stores a duty with its riders, or finds the row that already is the same work; returns its id."""
    found: UUID | None = await conn.fetchval("SELECT id FROM duties WHERE event_id = $1 AND fingerprint = $2", event_id, draft.fingerprint)
    if found is not None:
        return found
    await conn.execute(
        """
        INSERT INTO duties (id, public_code, event_id, scope, operator_id, vehicle_id, fingerprint, drivers_needed, hire_minor, currency,
            distance_m, during, timetable)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, tstzrange($12, $13), $14)
        """,
        duty_id,
        public_code,
        event_id,
        draft.scope.value,
        draft.operator_id,
        draft.vehicle_id,
        draft.fingerprint,
        draft.drivers_needed,
        draft.hire_minor,
        draft.currency,
        draft.distance_m,
        draft.starts_at,
        draft.ends_at,
        draft.timetable,
    )
    await conn.execute("INSERT INTO duty_parties (duty_id, pledge_id) SELECT $1, unnest($2::uuid[])", duty_id, draft.pledge_ids)
    return duty_id


async def link_duties(conn: Connection, plan_id: UUID, duty_ids: Sequence[UUID]) -> None:
    """Says which duties a plan has."""
    await conn.execute("INSERT INTO plan_duties (plan_id, duty_id) SELECT $1, unnest($2::uuid[])", plan_id, list(duty_ids))


class UnservedParty(msgspec.Struct, frozen=True, kw_only=True):
    """A party no duty of its scope's current plan carries, and why."""

    pledge_id: UUID
    trip_id: UUID
    people: int
    reason: str
    detail: str
    scope: Scope


async def add_unserved(conn: Connection, plan_id: UUID, rows: Sequence[tuple[UUID, str, str]]) -> None:
    """Lists who stays behind: (pledge, reason, detail)."""
    await conn.executemany(
        "INSERT INTO unserved_parties (plan_id, pledge_id, reason, detail) VALUES ($1, $2, $3, $4)", [(plan_id, *row) for row in rows]
    )


async def list_unserved(conn: Connection, event_id: UUID) -> list[UnservedParty]:
    """Who the current plans leave behind and is still paid."""
    return await fetch_all(
        conn,
        UnservedParty,
        """
        SELECT u.pledge_id, p.trip_id, p.people, u.reason, u.detail, pl.scope
        FROM plans pl JOIN unserved_parties u ON u.plan_id = pl.id JOIN pledges p ON p.id = u.pledge_id
        WHERE pl.event_id = $1 AND pl.is_current AND p.state = 'paid' ORDER BY pl.scope, u.pledge_id
        """,
        event_id,
    )


async def get_duty(conn: Connection, duty_id: UUID) -> Duty | None:
    """A duty by id."""
    found = await list_duties_by_id(conn, [duty_id])
    return found[0] if found else None


async def list_duties_by_id(conn: Connection, duty_ids: Sequence[UUID]) -> list[Duty]:
    """Duties by id, in order of start."""
    return await fetch_all(
        conn,
        Duty,
        """
        SELECT id, public_code, event_id, scope, operator_id, vehicle_id, fingerprint, drivers_needed, hire_minor, currency, distance_m,
               lower(during) AS starts_at, upper(during) AS ends_at, timetable
        FROM duties WHERE id = ANY($1) ORDER BY lower(during), id
        """,
        list(duty_ids),
    )


async def list_current_duties(conn: Connection, event_id: UUID, scope: Scope | None = None) -> list[Duty]:
    """The duties of an event's current plans (of one scope, or of all)."""
    return await fetch_all(
        conn,
        Duty,
        """
        SELECT d.id, d.public_code, d.event_id, d.scope, d.operator_id, d.vehicle_id, d.fingerprint, d.drivers_needed, d.hire_minor,
               d.currency, d.distance_m, lower(d.during) AS starts_at, upper(d.during) AS ends_at, d.timetable
        FROM plans p JOIN plan_duties pd ON pd.plan_id = p.id JOIN duties d ON d.id = pd.duty_id
        WHERE p.event_id = $1 AND p.is_current AND ($2::text IS NULL OR p.scope = $2) ORDER BY lower(d.during), d.id
        """,
        event_id,
        None if scope is None else scope.value,
    )


async def current_hire_minor(conn: Connection, event_id: UUID) -> int:
    """What the duties of an event's current plans cost, minor units, without those called off."""
    found: int = await conn.fetchval(
        """
        WITH newest AS (SELECT DISTINCT ON (duty_id) duty_id, state FROM offers WHERE event_id = $1 ORDER BY duty_id, id DESC)
        SELECT coalesce(sum(d.hire_minor), 0)::bigint
        FROM plans p JOIN plan_duties pd ON pd.plan_id = p.id JOIN duties d ON d.id = pd.duty_id JOIN newest o ON o.duty_id = d.id
        WHERE p.event_id = $1 AND p.is_current AND o.state <> 'withdrawn'
        """,
        event_id,
    )
    return found


async def is_in_current_plan(conn: Connection, duty_id: UUID) -> bool:
    """Whether the newest plan of its scope still has this very duty."""
    found = await conn.fetchval(
        "SELECT true FROM plan_duties pd JOIN plans p ON p.id = pd.plan_id WHERE pd.duty_id = $1 AND p.is_current", duty_id
    )
    return bool(found)


async def leave_duties(conn: Connection, pledge_ids: Sequence[UUID]) -> None:
    """These parties ride no duty any more: refunded."""
    await conn.execute("UPDATE duty_parties SET left_at = busload_now() WHERE pledge_id = ANY($1) AND left_at IS NULL", list(pledge_ids))


async def list_begun_trips(conn: Connection, event_id: UUID) -> set[UUID]:
    """Trips for which a bus is out: it has left its depot, or its driver has closed its manifest; whoever has left that bus since."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT p.trip_id FROM offers o JOIN duty_parties dp ON dp.duty_id = o.duty_id JOIN pledges p ON p.id = dp.pledge_id
        LEFT JOIN current_manifests c ON c.duty_id = o.duty_id
        WHERE o.event_id = $1 AND o.state = 'accepted' AND (lower(o.during) <= busload_now() OR c.closed_at IS NOT NULL)
        """,
        event_id,
    )
    return {row["trip_id"] for row in rows}


async def list_duties_of_departed(conn: Connection, event_id: UUID) -> set[UUID]:
    """Duties that carry people whose trip has departed: they may be at the venue by now and need their way back."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT dp.duty_id FROM duty_parties dp JOIN pledges p ON p.id = dp.pledge_id JOIN trips t ON t.id = p.trip_id
        WHERE t.event_id = $1 AND t.state = 'departed' AND p.state = 'paid' AND dp.left_at IS NULL
        """,
        event_id,
    )
    return {row["duty_id"] for row in rows}


class PartyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A party on a duty, for the plan's page: nothing personal."""

    duty_id: UUID
    pledge_id: UUID
    trip_id: UUID
    people: int


async def list_riders(conn: Connection, duty_ids: Sequence[UUID]) -> list[PartyRow]:
    """Who rides these duties."""
    return await fetch_all(
        conn,
        PartyRow,
        """
        SELECT dp.duty_id, dp.pledge_id, p.trip_id, p.people
        FROM duty_parties dp JOIN pledges p ON p.id = dp.pledge_id
        WHERE dp.duty_id = ANY($1) AND dp.left_at IS NULL ORDER BY dp.duty_id, dp.pledge_id
        """,
        list(duty_ids),
    )
