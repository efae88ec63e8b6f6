"""Where my bus is: a page behind the pass link, without a login, that may be shared."""

import hmac
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from app.core.database import Connection, Pool, transaction
from app.core.errors import NotFound
from app.core.ids import derived_token, link_subject
from app.domain.manifests import day_store
from app.domain.manifests.day_store import Incident
from app.domain.manifests.model import Leg, Manifest, Position
from app.domain.manifests.rider_store import Travel, find_pledge_by_code, read_pledge_manifests, read_travel
from app.domain.manifests.rides import Ride, rides_of
from app.domain.manifests.tracking import Estimate, Sight, estimate, halts_of, next_halt, sight_of
from app.settings import Settings
from app.web.pages import page

NO_LINK = "This link does not open anything. Use the newest one we mailed you."


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """What can be said now: `sight` is None before the bus is known; `target` is where the estimate is for."""

    travel: Travel
    ride: Ride | None
    sight: Sight | None
    position: Position | None
    expected: Estimate | None
    target: str
    target_zone: str
    starts_at: datetime | None
    is_aboard: bool
    incidents: list[Incident]
    duty_id: UUID | None


async def open_track(conn: Connection, link: str, secret: str) -> Travel:
    """The travel behind `<public code>-<pass token>`, or NotFound."""
    code, _, given = link.partition("-")
    pledge_id = await find_pledge_by_code(conn, code)
    travel = None if pledge_id is None else await read_travel(conn, pledge_id)
    token = "" if travel is None else derived_token(secret, "pass", link_subject(travel.pledge_id, travel.holder))
    if travel is None or not hmac.compare_digest(token.encode(), given.encode()):
        raise NotFound(NO_LINK, code="unknown_tracking_link")
    return travel


async def read_track(conn: Connection, travel: Travel) -> Track:
    """Everything the page says, of one moment."""
    manifests = await read_pledge_manifests(conn, travel.pledge_id)
    found = _current_ride(travel, manifests)
    if found is None:
        return Track(
            travel=travel, ride=None, sight=None, position=None, expected=None, target="", target_zone=travel.stop_zone, starts_at=None,
            is_aboard=False, incidents=[], duty_id=None,
        )  # fmt: skip
    manifest, ride = found
    position = await day_store.read_last_position(conn, manifest.duty_id)
    state = await day_store.read_duty_state(conn, manifest.duty_id)
    check_ins = await day_store.read_pledge_check_ins(conn, travel.pledge_id)
    incidents = [one for one in await day_store.read_duty_incidents(conn, manifest.duty_id) if one.state == "open"]
    ended = state is not None and state.ended_at is not None
    is_aboard = any(one.leg == ride.leg for one in check_ins)
    return _look(travel, manifest, ride, position, incidents, ended=ended, is_aboard=is_aboard)


def _current_ride(travel: Travel, manifests: list[Manifest]) -> tuple[Manifest, Ride] | None:
    """The ride that is on, or comes next, or was the last."""
    rides = sorted(
        ((manifest, ride) for manifest in manifests for ride in rides_of(manifest.document, travel.pledge_id)), key=lambda pair: pair[1].at
    )
    for manifest, ride in rides:
        over = manifest.document.venue_depart_at if ride.leg == "outbound" else manifest.document.depot_in_at
        if travel.now < over:
            return manifest, ride
    return rides[-1] if rides else None


def _look(
    travel: Travel, manifest: Manifest, ride: Ride, position: Position | None, incidents: list[Incident], *, ended: bool, is_aboard: bool
) -> Track:  # fmt: skip
    document = manifest.document
    halts = halts_of(document, ride.leg)
    own = 1 + next(
        index for index, call in enumerate(document.calls(ride.leg)) if any(p.pledge_id == travel.pledge_id for p in call.parties)
    )
    target = len(halts) - 1 if ride.leg == "outbound" and is_aboard else own
    sight = sight_of(_of_leg(position, ride.leg, manifest), travel.now, ended=ended)
    expected = None
    if position is not None and sight in {Sight.LIVE, Sight.LOST}:
        expected = estimate(halts, target, position, travel.now)
        if expected is None and next_halt(halts, position) > target:
            sight = Sight.PASSED
    return Track(
        travel=travel, ride=ride, sight=sight, position=position, expected=expected, target=halts[target].place.name,
        target_zone=halts[target].place.zone, starts_at=halts[0].depart_at, is_aboard=is_aboard, incidents=incidents,
        duty_id=manifest.duty_id,
    )  # fmt: skip


def _of_leg(position: Position | None, leg: Leg, manifest: Manifest) -> Position | None:
    """On the return a position from the way there says nothing yet."""
    if position is not None and leg == "return" and position.at < manifest.document.venue_arrive_at:
        return None
    return position


AnyRequest = Request[Any, Any, Any]


async def _track(pool: Pool, settings: Settings, token: str) -> Track:
    async with transaction(pool) as conn:
        return await read_track(conn, await open_track(conn, token, settings.secret))


@get("/t/{token:str}", include_in_schema=False)
async def show_track(
    request: AnyRequest, token: FromPath[str], pool: NamedDependency[Pool], settings: NamedDependency[Settings]
) -> Template:
    """Where my bus is."""
    return page(request, "rider/tracking.html", track=await _track(pool, settings, token), token=token)


@get("/t/{token:str}/now", include_in_schema=False)
async def show_now(request: AnyRequest, token: FromPath[str], pool: NamedDependency[Pool], settings: NamedDependency[Settings]) -> Template:
    """The part that changes, for the page that is open."""
    return page(request, "rider/_tracking_now.html", track=await _track(pool, settings, token), token=token)


@get("/t/{token:str}/map.json", include_in_schema=False)
async def show_map(token: FromPath[str], pool: NamedDependency[Pool], settings: NamedDependency[Settings]) -> Response[Any]:
    """My stop, the venue and the bus as GeoJSON."""
    track = await _track(pool, settings, token)
    travel = track.travel
    points = [
        _point(travel.stop_lon, travel.stop_lat, travel.stop_name, "stop"),
        _point(travel.venue_lon, travel.venue_lat, travel.venue_name, "venue"),
    ]
    if track.position is not None and track.sight in {Sight.LIVE, Sight.LOST, Sight.PASSED}:
        points.append(_point(track.position.lon, track.position.lat, track.ride.plate if track.ride else "Bus", "bus"))
    return Response({"type": "FeatureCollection", "features": points}, media_type="application/geo+json")


def _point(lon: float, lat: float, name: str, kind: str) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"name": name, "kind": kind}, "geometry": {"type": "Point", "coordinates": [lon, lat]}}


ROUTES = [show_track, show_now, show_map]
