"""The driver's JSON API. The bearer token is that of the driver's link: it opens one duty and nothing else."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from app.core.database import Pool
from app.core.errors import FieldError, Invalid
from app.domain.manifests.model import CheckInOutcome, DutyState, IncidentKind, Leg, Position
from app.domain.manifests.passes import signing_key
from app.flows.check_in import NamedPerson, ScannedPass, check_in
from app.flows.close_manifest import close_manifest
from app.flows.complete_duty import end_duty
from app.flows.record_position import record_positions
from app.flows.report_incident import report_incident
from app.settings import Settings
from app.surfaces.driver.reading import open_link, read_sheet
from app.surfaces.driver.views import DutySheet

MAX_CHECK_INS = 200
MAX_POSITIONS = 500
MAX_DELAY_MIN = 1440
OUR_DAYS = (2000, 2100)


class CheckInWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person to check in, by `pass` (the scanned text) or by name (`pledge_id`, `person`, `leg`); `id` is your own."""

    id: UUID
    checked_at: datetime
    pass_: str | None = msgspec.field(name="pass", default=None)
    pledge_id: UUID | None = None
    person: int | None = None
    leg: Leg | None = None


class CheckInBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Check-ins in the order they were made."""

    check_ins: Annotated[list[CheckInWish], Meta(min_length=1, max_length=MAX_CHECK_INS)]


class CheckInAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """One answer for each check-in, in the same order."""

    outcomes: list[CheckInOutcome]


class PositionWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the bus was; `accuracy_m` is the radius the phone is sure of."""

    at: datetime
    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    accuracy_m: Annotated[float, Meta(ge=0, le=1_000_000)]


class PositionBatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Positions in any order."""

    positions: Annotated[list[PositionWish], Meta(min_length=1, max_length=MAX_POSITIONS)]


class PositionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How many were new and of this duty's time."""

    recorded: int


class IncidentWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happened; `id` is your own, `delay_min` how late the bus will be if that is known."""

    id: UUID
    kind: IncidentKind
    delay_min: Annotated[int, Meta(ge=0, le=MAX_DELAY_MIN)] = 0


class IncidentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`is_new` is false when this id was reported before."""

    id: UUID
    is_new: bool


class DutyStateView(msgspec.Struct, frozen=True, kw_only=True):
    """How far the duty is."""

    version: int
    closed_at: datetime | None
    ended_at: datetime | None


AnyRequest = Request[Any, Any, Any]


@get("/api/driver/manifest", tags=["driver"])
async def show_manifest(request: AnyRequest, pool: NamedDependency[Pool], settings: NamedDependency[Settings]) -> DutySheet:
    """The current manifest, who is aboard, and the keys and lists a phone checks passes with when it has no signal."""
    async with pool.acquire() as conn:
        link = await open_link(conn, request)
    return await read_sheet(pool, link, key=signing_key(settings.secret))


@post("/api/driver/check-ins", tags=["driver"], status_code=200)
async def add_check_ins(
    request: AnyRequest, data: JSONBody[CheckInBatch], pool: NamedDependency[Pool], settings: NamedDependency[Settings]
) -> CheckInAnswers:
    """Checks people in, once per person and leg. The same id again is the same check-in; a second one of a person is kept and named."""
    arrivals = [arrival_of(wish, index) for index, wish in enumerate(data.check_ins)]
    async with pool.acquire() as conn:
        link = await open_link(conn, request)
    outcomes = await check_in(pool, duty_id=link.duty_id, arrivals=arrivals, key=signing_key(settings.secret))
    return CheckInAnswers(outcomes=outcomes)


def arrival_of(wish: CheckInWish, index: int) -> ScannedPass | NamedPerson:
    """The wish in the flow's words. Raises Invalid naming the field when it is neither a pass nor a person."""
    checked_at = aware(wish.checked_at, f"check_ins[{index}].checked_at")
    named = wish.pledge_id is not None and wish.person is not None and wish.leg is not None
    if wish.pass_ is not None and not named:
        return ScannedPass(id=wish.id, token=wish.pass_, checked_at=checked_at)
    if wish.pass_ is None and wish.pledge_id is not None and wish.person is not None and wish.leg is not None:
        return NamedPerson(id=wish.id, pledge_id=wish.pledge_id, person=wish.person, leg=wish.leg, checked_at=checked_at)
    raise Invalid.field(f"check_ins[{index}]", "Send either `pass`, or `pledge_id`, `person` and `leg`.")


def aware(moment: datetime, field: str) -> datetime:
    """A time of our days with its offset. Raises Invalid naming the field for any other."""
    if moment.tzinfo is None or not OUR_DAYS[0] <= moment.year < OUR_DAYS[1]:
        message = "Send the time with its offset, such as 2027-01-16T05:40:00Z."
        raise Invalid(message, fields=(FieldError(field=field, message=message),))
    return moment


@post("/api/driver/positions", tags=["driver"], status_code=200)
async def add_positions(request: AnyRequest, data: JSONBody[PositionBatch], pool: NamedDependency[Pool]) -> PositionAnswer:
    """Tells where the bus is. Positions from outside the duty's time are dropped; the same again changes nothing."""
    positions = [
        Position(at=aware(one.at, f"positions[{index}].at"), lat=one.lat, lon=one.lon, accuracy_m=one.accuracy_m)
        for index, one in enumerate(data.positions)
    ]
    async with pool.acquire() as conn:
        link = await open_link(conn, request)
    return PositionAnswer(recorded=await record_positions(pool, duty_id=link.duty_id, positions=positions))


@post("/api/driver/incidents", tags=["driver"], status_code=200)
async def add_incident(request: AnyRequest, data: JSONBody[IncidentWish], pool: NamedDependency[Pool]) -> IncidentAnswer:
    """Reports an incident: everybody on this bus and its operator are told."""
    async with pool.acquire() as conn:
        link = await open_link(conn, request)
    is_new = await report_incident(
        pool, duty_id=link.duty_id, driver_id=link.driver_id, incident_id=data.id, kind=data.kind, delay_min=data.delay_min
    )
    return IncidentAnswer(id=data.id, is_new=is_new)


@post("/api/driver/departure", tags=["driver"], status_code=200)
async def depart(request: AnyRequest, pool: NamedDependency[Pool]) -> DutyStateView:
    """The bus has left its last outbound stop: the manifest closes. Again changes nothing."""
    async with pool.acquire() as conn:
        link = await open_link(conn, request)
    return view_state(await close_manifest(pool, duty_id=link.duty_id, actor=f"driver:{link.driver_id}"))


@post("/api/driver/end", tags=["driver"], status_code=200)
async def end(request: AnyRequest, pool: NamedDependency[Pool]) -> DutyStateView:
    """The bus is back at its depot. Again changes nothing."""
    async with pool.acquire() as conn:
        link = await open_link(conn, request)
    return view_state(await end_duty(pool, duty_id=link.duty_id, actor=f"driver:{link.driver_id}"))


def view_state(state: DutyState) -> DutyStateView:
    """How far the duty is, for the phone."""
    return DutyStateView(version=state.version, closed_at=state.closed_at, ended_at=state.ended_at)


ROUTES = [show_manifest, add_check_ins, add_positions, add_incident, depart, end]
