"""What a driver's phone gets: the manifest, who is aboard, and what it needs to check passes by itself."""

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from app.domain.manifests.day_store import Incident
from app.domain.manifests.model import BoardingPass, CheckIn, DriverLink, DutyState, Manifest, ManifestDocument
from app.domain.manifests.passes import serial_of


class PublicKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key that passes may be signed with: 32 raw bytes, base64."""

    key_id: str
    public_key: str


class CheckInView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who came aboard; `conflicts_with` names the check-in that came first."""

    id: UUID
    pledge_id: UUID
    person: int
    leg: str
    method: str
    checked_at: datetime
    conflicts_with: UUID | None


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that went wrong on this duty."""

    id: UUID
    code: str
    kind: str
    summary: str
    state: str
    opened_at: datetime


class DutySheet(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a phone keeps for a day without signal. Times are UTC; each place names the zone its clock times show in."""

    duty_id: UUID
    driver_id: UUID
    link_expires_at: datetime
    version: int
    manifest: ManifestDocument
    closed_at: datetime | None
    ended_at: datetime | None
    check_ins: list[CheckInView]
    incidents: list[IncidentView]
    keys: list[PublicKeyView]
    pass_serials: list[str]
    revoked_serials: list[str]
    now: datetime


def view_sheet(
    link: DriverLink,
    manifest: Manifest,
    state: DutyState,
    *,
    check_ins: list[CheckIn],
    incidents: list[Incident],
    passes: list[BoardingPass],
    keys: Mapping[str, bytes],
    now: datetime,
) -> DutySheet:
    """The sheet of one duty for one driver."""
    return DutySheet(
        duty_id=link.duty_id,
        driver_id=link.driver_id,
        link_expires_at=link.expires_at,
        version=manifest.version,
        manifest=manifest.document,
        closed_at=state.closed_at,
        ended_at=state.ended_at,
        check_ins=[view_check_in(one) for one in check_ins],
        incidents=[view_incident(one) for one in incidents],
        keys=[PublicKeyView(key_id=key_id, public_key=b64encode(public).decode()) for key_id, public in keys.items()],
        pass_serials=[serial_of(one.id).hex() for one in passes if one.revoked_at is None],
        revoked_serials=[serial_of(one.id).hex() for one in passes if one.revoked_at is not None],
        now=now,
    )


def view_check_in(one: CheckIn) -> CheckInView:
    """A check-in as the phone keeps it."""
    return CheckInView(
        id=one.id,
        pledge_id=one.pledge_id,
        person=one.person,
        leg=one.leg,
        method=one.method.value,
        checked_at=one.checked_at,
        conflicts_with=one.conflicts_with,
    )


def view_incident(one: Incident) -> IncidentView:
    """An incident as the phone shows it."""
    return IncidentView(id=one.id, code=one.public_code, kind=one.kind, summary=one.summary, state=one.state, opened_at=one.opened_at)
