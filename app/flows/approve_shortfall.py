"""An organiser lets the house pay what fares do not carry; then the offers go out."""

from uuid import UUID

from app.core.audit import act_as
from app.core.database import Pool, transaction
from app.core.errors import Conflict, NotFound
from app.core.idempotency import KeyedRequest, claim_key
from app.core.ids import new_id
from app.core.jobs import enqueue_for
from app.core.live import tell
from app.domain.dispatch.store import plans
from app.domain.events import store as events
from app.domain.payments import ledger
from app.flows.send_offers import read_shortfall


async def approve_shortfall(
    pool: Pool, event_id: UUID, *, shortfall_minor: int, account_id: UUID | None, actor: str, request: KeyedRequest | None = None
) -> int:
    """Posts the subsidy and releases the offers; returns what was posted, minor units (0 for a request that was made before).

    `shortfall_minor` is the figure the organiser saw. Raises NotFound, Conflict `nothing_to_approve` or `shortfall_changed`, KeyReused.
    """
    posting = new_id()  # a plan may be approved twice: once more when the other leg's has been made anew
    async with transaction(pool) as conn:
        await act_as(conn, actor, "shortfall approved")
        if request is not None and await claim_key(
            conn, scope=f"shortfall:{event_id}", key=request.key, body=request.body, effect_id=posting
        ):
            return 0
        event = await events.lock_event(conn, event_id)
        if event is None:
            raise NotFound("There is no such event.", code="unknown_event")
        waiting = [plan for plan in await plans.list_current_plans(conn, event_id) if plan.needs_approval]
        if not waiting:
            raise Conflict("No plan of this event waits for an approval.", code="nothing_to_approve")
        missing_minor = await read_shortfall(conn, event)
        if missing_minor != shortfall_minor:
            raise Conflict(
                f"The shortfall is {missing_minor} now (minor units), not {shortfall_minor}. Look at the plan again.",
                code="shortfall_changed",
            )
        if missing_minor:
            await ledger.post(
                conn,
                kind="subsidy",
                cause=posting,
                book=event.book,
                currency=event.currency,
                entries=[(ledger.SUBSIDY, missing_minor), (ledger.FARES, -missing_minor)],
                external_ref=None,
            )
        await plans.approve_plans(conn, [plan.id for plan in waiting], account_id=account_id)
        await enqueue_for(conn, "send_offers", [event_id])
        await tell(conn, "event", event_id)
        return missing_minor
