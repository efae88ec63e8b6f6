"""Mails to riders whose ride is new or changed: every change is a message with the old and the new clock time."""

from uuid import UUID

import msgspec

from app.core.database import Connection
from app.domain.manifests import store
from app.domain.manifests.model import Leg, ManifestDocument
from app.domain.manifests.rides import ChangedRide, Ride, changed_rides, rides_of
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails

Told = dict[UUID, dict[Leg, Ride]]


async def read_told_within(conn: Connection, event_id: UUID) -> Told:
    """What each rider of the event was told last, by pledge and leg, from the newest manifest that had them."""
    documents = {manifest.id: manifest.document for manifest in await store.read_told_manifests(conn, event_id)}
    told: Told = {}
    for row in await store.read_told_ridings(conn, event_id):
        for ride in rides_of(documents[row.manifest_id], row.pledge_id):
            if ride.leg == row.leg:
                told.setdefault(row.pledge_id, {})[ride.leg] = ride
    return told


async def tell_rides_within(conn: Connection, documents: dict[UUID, ManifestDocument], told: Told) -> int:
    """Queues one mail per rider with news in these new manifests (by manifest id); returns how many."""
    mails: list[NewMail] = []
    for manifest_id, document in documents.items():
        for rider in await store.read_manifest_contacts(conn, manifest_id):
            changes = changed_rides(rides_of(document, rider.pledge_id), told.get(rider.pledge_id, {}))
            if changes:
                mails.append(_mail(manifest_id, document, rider, changes))
    await queue_mails(conn, mails)
    return len(mails)


def _mail(manifest_id: UUID, document: ManifestDocument, rider: store.Contact, changes: list[ChangedRide]) -> NewMail:
    first_time = all(change.before is None for change in changes)
    return NewMail(
        dedupe_key=f"ride:{manifest_id}:{rider.pledge_id}",
        recipient=rider.email,
        template="ride_ready" if first_time else "ride_changed",
        locale=rider.locale,
        data={
            "pledge_id": str(rider.pledge_id),
            "public_code": rider.public_code,
            "name": rider.name,
            "event": document.event.name,
            "phone": document.event.dispatcher_phone,
            "changes": msgspec.to_builtins(changes),
        },
        subject_id=rider.pledge_id,
    )
