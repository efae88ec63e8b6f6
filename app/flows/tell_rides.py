"""Mails to riders whose ride is new or changed: every change is a message with the old and the new clock time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from uuid import UUID

import msgspec

from app.core.audit import record_change
from app.core.clock import busload_now
from app.core.database import Connection
from app.domain.manifests import news_store, store
from app.domain.manifests.model import Leg, Manifest, ManifestDocument
from app.domain.manifests.rides import ChangedRide, Ride, changed_rides, rides_of
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails
from app.domain.pledges.store import grant_free_exit_to

FREE_EXIT = timedelta(days=2)
Told = dict[UUID, dict[Leg, Ride]]


async def read_told_within(conn: Connection, event_id: UUID) -> Told:
    """What each rider of the event was told last, by pledge and leg, from the newest manifest that had them."""
    documents = {manifest.id: manifest.document for manifest in await news_store.read_told_manifests(conn, event_id)}
    told: Told = {}
    for row in await news_store.read_told_ridings(conn, event_id):
        for ride in rides_of(documents[row.manifest_id], row.pledge_id):
            if ride.leg == row.leg:
                told.setdefault(row.pledge_id, {})[ride.leg] = ride
    return told


async def tell_rides_within(conn: Connection, documents: dict[UUID, ManifestDocument], told: Told) -> int:
    """Queues one mail per rider with news in these new manifests (by manifest id); returns how many.

    Whose own clock time moved beyond the tolerance may leave free of charge for two days, at most until the bus leaves.
    """
    now = await busload_now(conn)
    mails: list[NewMail] = []
    contacts = await news_store.read_manifest_contacts(conn, list(documents))
    for manifest_id, riders in groupby(contacts, key=attrgetter("manifest_id")):
        document = documents[manifest_id]
        news: list[tuple[news_store.Contact, list[ChangedRide]]] = []
        for rider in riders:
            changes = changed_rides(rides_of(document, rider.pledge_id), told.get(rider.pledge_id, {}))
            if changes:
                news.append((rider, changes))
        until = min(now + FREE_EXIT, document.depot_out_at)
        free = await open_exits(conn, [rider.pledge_id for rider, changes in news if any(c.is_beyond_tolerance for c in changes)], until)
        mails += [_mail(manifest_id, document, rider, changes, until if rider.pledge_id in free else None) for rider, changes in news]
    await queue_mails(conn, mails)
    return len(mails)


async def tell_drivers_within(conn: Connection, manifest_ids: Sequence[UUID]) -> None:
    """Queues a mail to each driver who works from an older version of these manifests; who was put on one just now has one already."""
    manifests = {manifest.id: manifest for manifest in await store.read_manifests(conn, manifest_ids)}
    informed = await news_store.read_informed_drivers(conn, manifest_ids)
    await queue_mails(conn, [_changed_mail(manifests[driver.manifest_id], driver) for driver in informed])


def _changed_mail(manifest: Manifest, driver: news_store.DriverContact) -> NewMail:
    document = manifest.document
    return NewMail(
        dedupe_key=f"manifest:{manifest.id}:{driver.driver_id}",
        recipient=driver.email,
        template="manifest_changed",
        locale="en",
        data={
            "name": driver.name,
            "event": document.event.name,
            "code": document.duty_code,
            "version": manifest.version,
            "people_out": document.people("outbound"),
            "people_back": document.people("return"),
            "phone": document.event.dispatcher_phone,
            "link_subject": f"{document.duty_id}:{driver.driver_id}",
        },
        subject_id=document.duty_id,
    )


async def open_exits(conn: Connection, pledge_ids: list[UUID], until: datetime) -> set[UUID]:
    """Opens the way out for these parties and says in the trail that it was opened."""
    opened = await grant_free_exit_to(conn, pledge_ids, until) if pledge_ids else []
    for pledge_id in opened:
        await record_change(conn, "pledge", pledge_id, "paid", {"free_exit_until": until.isoformat()})
    return set(opened)


def _mail(
    manifest_id: UUID, document: ManifestDocument, rider: news_store.Contact, changes: list[ChangedRide], free_until: datetime | None
) -> NewMail:  # fmt: skip
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
            "free_until": None if free_until is None else free_until.isoformat(),
        },
        subject_id=rider.pledge_id,
    )
