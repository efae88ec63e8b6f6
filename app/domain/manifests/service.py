"""What manifests can do to their own rows, inside a transaction they are given."""

from collections import defaultdict
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from app.core.database import Connection
from app.core.errors import Conflict, Gone, NotFound, SignInNeeded
from app.core.ids import new_id, token_hash
from app.domain.manifests import day_store, store
from app.domain.manifests.compose import compose_manifest, name_parties
from app.domain.manifests.model import (
    EARLY_MARGIN,
    DriverLink,
    DutyState,
    Manifest,
    ManifestDocument,
    NewVersion,
    pass_slots,
    ridings,
)
from app.domain.manifests.passes import PassKey

NO_MANIFEST = "This duty has been taken back or is being planned anew. Call your dispatcher before you drive."


class DriverLinkUnknown(SignInNeeded):
    """No such link was ever made."""

    code = "driver_link_unknown"
    title = "This driver's link is not known"


class DriverLinkExpired(Gone):
    """The duty is long over."""

    code = "driver_link_expired"
    title = "This driver's link has expired"


class DriverLinkRevoked(Gone):
    """Somebody else drives now."""

    code = "driver_link_revoked"
    title = "This duty is no longer yours"


class NoManifest(NotFound):
    """The duty carries no manifest (any more): it was pulled out of, or its seats are being planned anew."""

    code = "no_manifest"
    title = "There is no manifest for this duty"


class DutyNotBegun(Conflict):
    """A driver's tap comes days before the bus leaves."""

    code = "duty_not_begun"
    title = "This duty is still to come"


async def open_driver_link(conn: Connection, token: str) -> DriverLink:
    """The duty a driver's link opens. Raises DriverLinkUnknown, DriverLinkRevoked, DriverLinkExpired."""
    row = await day_store.read_link(conn, token_hash(token))
    if row is None:
        raise DriverLinkUnknown("Open the link in your newest mail about this duty, or ask your dispatcher for it.")
    if row.ended_at is not None:
        raise DriverLinkRevoked("Your dispatcher gave this duty to another driver. Call them if that is wrong.")
    if row.link_expires_at <= row.now:
        raise DriverLinkExpired("The link closed after the duty's end. Ask your dispatcher if something is still open.")
    return DriverLink(duty_id=row.duty_id, driver_id=row.driver_id, event_id=row.event_id, seat=row.seat, expires_at=row.link_expires_at)


async def require_manifest(conn: Connection, duty_id: UUID) -> Manifest:
    """The version to work from now, with its people's names. Raises NoManifest."""
    manifest = await store.read_current_manifest(conn, duty_id)
    if manifest is None:
        raise NoManifest(NO_MANIFEST)
    named = await store.read_names(conn, manifest.id)
    return replace(manifest, document=name_parties(manifest.document, named))


async def require_state(conn: Connection, duty_id: UUID) -> DutyState:
    """How far a duty is, without a lock. Raises NoManifest."""
    state = await day_store.read_duty_state(conn, duty_id)
    if state is None:
        raise NoManifest(NO_MANIFEST)
    return state


async def lock_duty(conn: Connection, duty_id: UUID) -> DutyState:
    """Locks how far a duty is. Raises NoManifest."""
    state = await store.lock_duty_state(conn, duty_id)
    if state is None:
        raise NoManifest(NO_MANIFEST)
    return state


async def check_begun(conn: Connection, duty_id: UUID, *, now: datetime) -> None:
    """Raises DutyNotBegun while the bus is not to leave its depot for long: a mistaken tap would bind riders to a bus that stands."""
    if now < await day_store.read_depot_out(conn, duty_id) - EARLY_MARGIN:
        hours = EARLY_MARGIN // timedelta(hours=1)
        raise DutyNotBegun(f"Tap this on the day: at the earliest {hours} hours before the bus leaves its depot.")


async def compose_documents(conn: Connection, duty_ids: list[UUID]) -> list[tuple[UUID, ManifestDocument]]:
    """What the manifests of these accepted duties should say now, with the offer each stands on."""
    parties, drivers = defaultdict(list), defaultdict(list)
    for party in await store.read_parties(conn, duty_ids):
        parties[party.duty_id].append(party)
    for driver in await store.read_assigned_drivers(conn, duty_ids):
        drivers[driver.duty_id].append(driver)
    return [
        (duty.offer_id, compose_manifest(duty, parties[duty.duty_id], drivers[duty.duty_id]))
        for duty in await store.read_duties(conn, duty_ids)
    ]


async def add_versions(conn: Connection, new: list[NewVersion], *, cause: str) -> set[UUID]:
    """Makes these the versions to work from, one per duty; returns the duties that had none before."""
    await store.add_manifests(conn, new, cause=cause)
    await store.add_manifest_people(conn, [(one.id, riding) for one in new for riding in ridings(one.document)])
    return await store.point_to_manifests(conn, new)


async def renew_passes(conn: Connection, event_id: UUID, documents: list[ManifestDocument]) -> None:
    """Makes the event's live passes exactly those of these manifests: unchanged ones stay, others are revoked, missing ones issued."""
    wanted = {slot for document in documents for slot in pass_slots(document)}
    live = await store.read_live_passes(conn, event_id)
    await store.revoke_passes(conn, [one.id for one in live if one.slot not in wanted])
    missing = sorted(wanted - {one.slot for one in live})
    await store.add_passes(conn, [new_id() for _ in missing], missing)


async def accepted_keys(conn: Connection, key: PassKey) -> dict[str, bytes]:
    """The public keys that passes may be signed with, ours among them, by key id."""
    keys = await store.read_public_keys(conn)
    if key.key_id not in keys:
        await store.keep_public_key(conn, key.key_id, key.public_key)
        keys = await store.read_public_keys(conn)
    return keys
