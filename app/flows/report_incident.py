"""An incident in one tap: kept, shown to everybody who waits for this bus, and mailed to them and to the operator."""

from uuid import UUID

from app.core.audit import act_as
from app.core.database import Connection, Pool, transaction
from app.core.errors import Conflict
from app.core.ids import public_code
from app.core.live import tell
from app.domain.manifests import day_store, service
from app.domain.manifests.model import IncidentKind, ManifestDocument
from app.domain.notifications.model import NewMail
from app.domain.notifications.service import queue_mails

WORDS = {
    IncidentKind.BREAKDOWN: "has broken down. We are looking for another bus.",
    IncidentKind.ACCIDENT: "had an accident. Help has been called; we tell you more as soon as we know it.",
    IncidentKind.OTHER: "has a problem on the way. We tell you more as soon as we know it.",
}


async def report_incident(pool: Pool, *, duty_id: UUID, driver_id: UUID, incident_id: UUID, kind: IncidentKind, delay_min: int) -> bool:
    """Opens an incident on a duty under an id of the phone's choosing; False when that id was already reported.

    `delay_min` is how late the bus will be, 0 when nobody knows. Raises NoManifest, and Conflict (`incident_id_reused`) when
    the id belongs to another duty.
    """
    async with transaction(pool) as conn:
        await act_as(conn, f"driver:{driver_id}", f"reported {kind.value}")
        state = await service.lock_duty(conn, duty_id)
        document = (await service.require_manifest(conn, duty_id)).document
        added = await day_store.add_incident(
            conn,
            incident_id=incident_id,
            public_code=public_code(),
            event_id=state.event_id,
            duty_id=duty_id,
            kind=kind,
            summary=summary_of(document, kind, delay_min),
        )
        if not added:
            if await day_store.read_incident_duty(conn, incident_id) != duty_id:
                raise Conflict("Report every incident with an id of its own (a UUID).", code="incident_id_reused")
            return False
        await _tell_everyone(conn, incident_id, document, kind, delay_min)
    return True


def summary_of(document: ManifestDocument, kind: IncidentKind, delay_min: int) -> str:
    """One sentence for riders, operator and organiser; no personal data."""
    bus = f"Bus {document.vehicle.plate} of {document.operator.name}"
    if kind is IncidentKind.LATE:
        return f"{bus} runs about {delay_min} minutes late." if delay_min else f"{bus} runs late."
    return f"{bus} {WORDS[kind]}"


async def _tell_everyone(conn: Connection, incident_id: UUID, document: ManifestDocument, kind: IncidentKind, delay_min: int) -> None:
    affected = await day_store.add_incident_pledges(conn, incident_id, document.duty_id)
    data = {
        "event": document.event.name,
        "summary": summary_of(document, kind, delay_min),
        "phone": document.event.dispatcher_phone,
        "duty_code": document.duty_code,
    }
    mails = [
        NewMail(
            dedupe_key=f"incident:{incident_id}:{rider.pledge_id}",
            recipient=rider.email,
            template="incident_rider",
            locale=rider.locale,
            data={**data, "pledge_id": str(rider.pledge_id), "public_code": rider.public_code, "name": rider.name},
            subject_id=rider.pledge_id,
        )
        for rider in affected
    ]
    operator = NewMail(
        dedupe_key=f"incident:{incident_id}:operator",
        recipient=await day_store.read_operator_email(conn, document.duty_id),
        template="incident_operator",
        locale="en",
        data=data,
        subject_id=document.duty_id,
    )
    await queue_mails(conn, [*mails, operator])
    await tell(conn, "duty", document.duty_id)
    await tell(conn, "event", document.event.event_id)
