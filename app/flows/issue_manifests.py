"""Manifests for an event's accepted duties: each changed one gets its next version, and everybody's passes follow."""

from uuid import UUID

from app.core.database import Connection
from app.core.ids import new_id
from app.core.live import tell, tell_all
from app.core.timers import clear_timer, set_timers_at
from app.domain.manifests import service, store
from app.domain.manifests.model import CLOSE_GRACE, END_GRACE, ManifestDocument, NewVersion
from app.flows.tell_rides import read_told_within, tell_drivers_within, tell_rides_within


async def issue_manifests_within(conn: Connection, event_id: UUID, *, cause: str, renewed: UUID | None = None) -> list[UUID]:
    """Brings the event's manifests in line with its accepted duties, drivers and paid parties; returns the duties that got a new version.

    The caller's transaction holds the trips' locks. Manifests of duties that are no longer accepted are taken back; that of a duty that is
    over stays as it was, whoever is refunded since. Nothing changed gives [] and leaves versions and passes as they are. `renewed`: a
    pledge that another person has now; its duties get a new version although nothing in it differs (names rest with the pledge), so that
    drivers' phones learn the name, and its passes are new.
    """
    duty_ids = await store.lock_accepted_duties(conn, event_id)
    await _take_back(conn, event_id, duty_ids)
    current = {manifest.duty_id: manifest for manifest in await store.read_current_manifests(conn, event_id)}
    over = await store.list_ended_duties(conn, event_id)
    composed = await service.compose_documents(conn, [duty_id for duty_id in duty_ids if duty_id not in over])
    changed = [
        NewVersion(id=new_id(), offer_id=offer_id, document=document)
        for offer_id, document in composed
        if document.duty_id not in current or current[document.duty_id].document != document or carries(document, renewed)
    ]
    told = await read_told_within(conn, event_id)
    fresh = await service.add_versions(conn, changed, cause=cause)
    await _set_timers(conn, [one.document for one in changed if one.document.duty_id in fresh])
    await tell_all(conn, "duty", [one.document.duty_id for one in changed])
    await tell_drivers_within(conn, [one.id for one in changed if one.document.duty_id not in fresh])
    await tell_rides_within(conn, {one.id: one.document for one in changed}, told)
    ended = [manifest.document for duty_id, manifest in current.items() if duty_id in over]
    if renewed is not None:
        await store.revoke_passes_of(conn, renewed)
    await service.renew_passes(conn, event_id, [*(document for _, document in composed), *ended])
    return [one.document.duty_id for one in changed]


def carries(document: ManifestDocument, pledge_id: UUID | None) -> bool:
    """Whether a party rides by this manifest."""
    return any(party.pledge_id == pledge_id for call in (*document.outbound, *document.return_calls) for party in call.parties)


async def withdraw_manifests_within(conn: Connection, event_id: UUID) -> list[UUID]:
    """Takes back the manifests of duties that are no longer accepted (an operator pulled out); returns the duties.

    Their passes are revoked in the same transaction.
    """
    duty_ids = await store.lock_accepted_duties(conn, event_id)
    withdrawn = await _take_back(conn, event_id, duty_ids)
    remaining = await store.read_current_manifests(conn, event_id)
    await service.renew_passes(conn, event_id, [manifest.document for manifest in remaining])
    return withdrawn


async def _take_back(conn: Connection, event_id: UUID, kept: list[UUID]) -> list[UUID]:
    withdrawn = await store.withdraw_manifests(conn, event_id, kept)
    for duty_id in withdrawn:
        await clear_timer(conn, "duty_start", duty_id)
        await clear_timer(conn, "duty_end", duty_id)
        await tell(conn, "duty", duty_id)
    return withdrawn


async def _set_timers(conn: Connection, fresh: list[ManifestDocument]) -> None:
    """A driver without signal taps nothing: the timetable closes and ends the duty in their stead."""
    await set_timers_at(conn, "duty_start", {one.duty_id: one.left_last_stop_at + CLOSE_GRACE for one in fresh})
    await set_timers_at(conn, "duty_end", {one.duty_id: one.depot_in_at + END_GRACE for one in fresh})
