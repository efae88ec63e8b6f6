"""Boarding passes: a page with a code for each person and way, and the same as JSON."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import segno
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template
from markupsafe import Markup

from app.core.database import Connection, Pool, transaction
from app.core.errors import NotFound
from app.core.ids import derived_token, link_subject, token_hash
from app.domain.manifests import day_store, service, store
from app.domain.manifests.model import Leg
from app.domain.manifests.passes import PassKey, claims_of, sign_pass, signing_key
from app.domain.manifests.rider_store import Travel, read_pledge_manifests, read_travel
from app.domain.manifests.rides import Ride, rides_of
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge
from app.settings import Settings
from app.surfaces.rider.api import ManageToken
from app.surfaces.rider.reading import NO_PLEDGE, open_pledge
from app.web.actors import CurrentActor, bearer_token
from app.web.pages import page


class PassView(msgspec.Struct, frozen=True, kw_only=True):
    """One person's pass on one leg; `pass` is what its code says."""

    person: int
    leg: Leg
    pass_: str = msgspec.field(name="pass")
    duty_id: UUID
    valid_from: datetime
    valid_until: datetime
    is_checked_in: bool

    @property
    def svg(self) -> Markup:
        """The code as a picture; attributes only, so that the strict policy lets it through."""
        code = segno.make(self.pass_, error="m", micro=False)
        drawn = code.svg_inline(omitsize=True, border=1, dark="#000", lineclass=None, svgclass=None)
        return Markup(drawn)  # noqa: S704  made from base64 by our own signer # nosec B704


class PassList(msgspec.Struct, frozen=True, kw_only=True):
    """A party's passes: none before its bus is known."""

    pledge_id: UUID
    passes: list[PassView]


class RideView(msgspec.Struct, frozen=True, kw_only=True):
    """A leg with its passes."""

    ride: Ride
    passes: list[PassView]


async def read_passes(conn: Connection, pledge_id: UUID, key: PassKey) -> list[PassView]:
    """A party's passes, signed now. The key is on record before anything it signed is shown."""
    await service.accepted_keys(conn, key)
    aboard = {(one.person, one.leg) for one in await day_store.read_pledge_check_ins(conn, pledge_id)}
    return [
        PassView(
            person=one.person,
            leg=one.leg,
            pass_=sign_pass(key, claims_of(one)),
            duty_id=one.duty_id,
            valid_from=one.valid_from,
            valid_until=one.valid_until,
            is_checked_in=(one.person, one.leg) in aboard,
        )
        for one in await store.read_pledge_passes(conn, pledge_id)
    ]


@get("/api/pledges/{pledge_id:uuid}/passes", tags=["pledges"])
async def list_passes(
    request: Request[Any, Any, Any],
    pledge_id: FromPath[UUID],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
    token: ManageToken = None,
) -> PassList:
    """The boarding passes of one's own pledge, one for each person and leg."""
    async with transaction(pool) as conn:
        pledge = await open_pledge(conn, pledge_id, actor=actor, token=token or bearer_token(request))
        return PassList(pledge_id=pledge.id, passes=await read_passes(conn, pledge.id, signing_key(settings.secret)))


async def require_pledge(conn: Connection, token: str) -> Pledge:
    """The pledge that a manage token opens, or NotFound `unknown_pledge`."""
    pledge = await pledges.find_by_token(conn, token_hash(token))
    if pledge is None:
        raise NotFound(NO_PLEDGE, code="unknown_pledge")
    return pledge


async def require_travel(conn: Connection, pledge_id: UUID) -> Travel:
    """The travel of a pledge that exists."""
    travel = await read_travel(conn, pledge_id)
    assert travel is not None
    return travel


@get("/p/{token:str}/pass", include_in_schema=False)
async def show_passes(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Template:
    """My boarding passes."""
    async with transaction(pool) as conn:
        pledge = await require_pledge(conn, token)
        travel = await require_travel(conn, pledge.id)
        manifests = await read_pledge_manifests(conn, pledge.id)
        passes = await read_passes(conn, pledge.id, signing_key(settings.secret))
    rides = [ride for manifest in manifests for ride in rides_of(manifest.document, pledge.id)]
    return page(
        request,
        "rider/passes.html",
        actor=actor,
        token=token,
        travel=travel,
        rides=[
            RideView(ride=ride, passes=[one for one in passes if one.leg == ride.leg]) for ride in sorted(rides, key=lambda ride: ride.at)
        ],
        people=travel.seats + travel.wheelchairs,
        tracking_path=tracking_path(settings.secret, travel),
    )


def tracking_path(secret: str, travel: Travel) -> str:
    """Where this party's bus may be watched: a link that opens nothing else and may be shared."""
    return f"/t/{travel.public_code}-{derived_token(secret, 'pass', link_subject(travel.pledge_id, travel.holder))}"


ROUTES = [list_passes, show_passes]
