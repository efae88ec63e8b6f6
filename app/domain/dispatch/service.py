"""What dispatch can do to its own rows, inside a transaction it is given."""

from collections.abc import Sequence
from uuid import UUID

from app.core.database import Connection
from app.core.ids import new_id, public_code
from app.core.live import tell
from app.core.timers import clear_timer
from app.domain.dispatch.model import Duty, DutyDraft, Offer, OfferState, Plan, Scope
from app.domain.dispatch.store import incidents, offers, plans

CODE_LENGTH = 6


async def keep_plan(
    conn: Connection,
    plan: Plan,
    *,
    document: object,
    drafts: Sequence[DutyDraft],
    fixed: Sequence[UUID],
    unserved: Sequence[tuple[UUID, str, str]],
) -> list[Offer]:
    """Stores a plan as its scope's current one: unchanged duties keep their row, every duty without a live offer gets one proposed.

    Offers whose duty the plan does not have are withdrawn and returned as they were before (the sent ones have been mailed).
    """
    duty_ids = [
        await plans.keep_duty(conn, duty_id=new_id(), public_code=public_code(CODE_LENGTH), event_id=plan.event_id, draft=draft)
        for draft in drafts
    ]
    planned = list(dict.fromkeys([*fixed, *duty_ids]))
    await plans.add_plan(conn, plan, document=document)
    await plans.link_duties(conn, plan.id, planned)
    await plans.add_unserved(conn, plan.id, unserved)
    withdrawn = await withdraw_others(conn, plan.event_id, plan.scope, keep=planned)
    await propose(conn, await plans.list_duties_by_id(conn, planned), round_number=plan.round)
    await tell(conn, "event", plan.event_id)
    return withdrawn


async def withdraw_others(conn: Connection, event_id: UUID, scope: Scope, *, keep: Sequence[UUID]) -> list[Offer]:
    """Withdraws the proposed and sent offers of a scope's duties that are not to be kept."""
    waiting = [
        offer
        for offer in await offers.list_offers_of_event(conn, event_id)
        if offer.state in {OfferState.PROPOSED, OfferState.SENT} and offer.duty_id not in keep
    ]
    scopes = {duty.id: duty.scope for duty in await plans.list_duties_by_id(conn, [offer.duty_id for offer in waiting])}
    return await withdraw(conn, [offer for offer in waiting if scopes[offer.duty_id] is scope])


async def withdraw(conn: Connection, waiting: Sequence[Offer]) -> list[Offer]:
    """Takes back offers nobody has accepted; returns those that were, as they were."""
    done = set(await offers.withdraw_offers(conn, [offer.id for offer in waiting], states=[OfferState.PROPOSED, OfferState.SENT]))
    for offer_id in done:
        await clear_timer(conn, "offer_expiry", offer_id)
        await tell(conn, "offer", offer_id)
    return [offer for offer in waiting if offer.id in done]


async def propose(conn: Connection, duties: Sequence[Duty], *, round_number: int) -> None:
    """Proposes every duty that has no live offer; nobody is told before the money is settled."""
    for duty in duties:
        if await offers.live_offer_of_duty(conn, duty.id) is None:
            await offers.add_offer(conn, offer_id=new_id(), public_code=public_code(CODE_LENGTH), duty=duty, round_number=round_number)


async def raise_incident(
    conn: Connection, event_id: UUID, kind: str, summary: str, *, pledge_ids: Sequence[UUID] = (), duty_id: UUID | None = None
) -> UUID:
    """Opens an incident of a kind, or adds people to the one that is open (a duty's own is always a new one)."""
    standing = [] if duty_id else await incidents.list_open_incidents(conn, event_id, [kind])
    incident_id = standing[0].id if standing else new_id()
    if not standing:
        await incidents.open_incident(
            conn, incident_id=incident_id, public_code=public_code(), event_id=event_id, duty_id=duty_id, kind=kind, summary=summary
        )
    await incidents.put_on_incident(conn, incident_id, pledge_ids)
    return incident_id


async def resolve(conn: Connection, event_id: UUID, kinds: Sequence[str]) -> None:
    """Closes an event's open incidents of these kinds."""
    standing = await incidents.list_open_incidents(conn, event_id, kinds)
    await incidents.resolve_incidents(conn, [incident.id for incident in standing])
