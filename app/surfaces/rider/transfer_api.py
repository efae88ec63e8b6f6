"""Passing seats on in the public JSON API: offered with the pledge's token, accepted with the token that was mailed."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from app.core.database import Pool
from app.core.errors import NotFound, SignInNeeded
from app.core.ids import token_hash
from app.domain.pledges import store as pledges
from app.domain.pledges import transfer_store as transfers
from app.domain.pledges.model import TransferState
from app.domain.pledges.transfer_store import Transfer
from app.flows.transfer_pledge import NO_TRANSFER, accept_transfer, cancel_transfer, end_transfer, offer_transfer
from app.settings import Settings
from app.surfaces.rider.api import ManageToken, acting
from app.surfaces.rider.reading import open_pledge, read_pledge_view
from app.surfaces.rider.views import PlacedPledgeView
from app.web.actors import CurrentActor, bearer_token

TransferToken = Annotated[
    str | None, QueryParameter(name="token", required=False, description="The token of the mailed link, unless sent as bearer.")
]


class OfferSeats(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to have a pledge's seats, all of them."""

    to_name: str
    to_email: str


class TakeSeats(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the driver should know of the new rider."""

    phone: str = ""
    needs: str = ""


class TransferView(msgspec.Struct, frozen=True, kw_only=True):
    """An offer of seats. The money stays with who paid: refunds go to the card that was charged."""

    id: UUID
    state: TransferState
    from_name: str
    to_name: str
    people: int
    trip_id: UUID
    expires_at: datetime


async def view_transfer(pool: Pool, transfer: Transfer) -> TransferView:
    """An offer of seats for either side."""
    async with pool.acquire() as conn:
        pledge = await pledges.get_pledge(conn, transfer.pledge_id)
    assert pledge is not None
    return TransferView(
        id=transfer.id, state=transfer.state, from_name=transfer.from_name, to_name=transfer.to_name, people=pledge.people,
        trip_id=pledge.trip_id, expires_at=transfer.expires_at,
    )  # fmt: skip


@post("/api/pledges/{pledge_id:uuid}/transfer", tags=["pledges"])
async def offer(
    request: Request[Any, Any, Any],
    pledge_id: FromPath[UUID],
    data: JSONBody[OfferSeats],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
    token: ManageToken = None,
) -> TransferView:
    """Offers the whole pledge to another person, by mail. Nothing changes before they accept; money stays with who paid."""
    async with pool.acquire() as conn:
        await open_pledge(conn, pledge_id, actor=actor, token=token or bearer_token(request))
    offered = await offer_transfer(pool, pledge_id, name=data.to_name, email=data.to_email, secret=settings.secret, actor=acting(actor))
    return await view_transfer(pool, offered)


@post("/api/pledges/{pledge_id:uuid}/transfer/cancel", tags=["pledges"], status_code=204)
async def cancel(
    request: Request[Any, Any, Any], pledge_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor, token: ManageToken = None
) -> None:
    """Takes an offer back. Again is no error."""
    async with pool.acquire() as conn:
        await open_pledge(conn, pledge_id, actor=actor, token=token or bearer_token(request))
    await cancel_transfer(pool, pledge_id, actor=acting(actor))


async def open_transfer(pool: Pool, token: str | None) -> Transfer:
    """The offer a token opens; SignInNeeded without one, NotFound for one that opens none."""
    if not token:
        raise SignInNeeded("Send the token of the mailed link, as bearer or as ?token=.")
    async with pool.acquire() as conn:
        found = await transfers.find_transfer_by_token(conn, token_hash(token))
    if found is None:
        raise NotFound(NO_TRANSFER, code="unknown_transfer")
    return found


@get("/api/transfer", tags=["transfer"])
async def show(request: Request[Any, Any, Any], pool: NamedDependency[Pool], token: TransferToken = None) -> TransferView:
    """Seats that somebody offers."""
    return await view_transfer(pool, await open_transfer(pool, token or bearer_token(request)))


@post("/api/transfer/accept", tags=["transfer"], status_code=200)
async def accept(
    request: Request[Any, Any, Any],
    data: JSONBody[TakeSeats],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    token: TransferToken = None,
) -> PlacedPledgeView:
    """Takes the seats: the pledge with the only link that opens it from now on."""
    transfer = await open_transfer(pool, token or bearer_token(request))
    accepted = await accept_transfer(pool, transfer.id, phone=data.phone, needs=data.needs, secret=settings.secret)
    async with pool.acquire() as conn:
        view = await read_pledge_view(conn, accepted.pledge)
    return PlacedPledgeView(pledge=view, manage_url=f"{settings.base_url}/p/{accepted.manage_token}", manage_token=accepted.manage_token)


@post("/api/transfer/decline", tags=["transfer"], status_code=204)
async def decline(request: Request[Any, Any, Any], pool: NamedDependency[Pool], token: TransferToken = None) -> None:
    """Does not want them. Again is no error."""
    transfer = await open_transfer(pool, token or bearer_token(request))
    await end_transfer(pool, transfer.id, go_to=TransferState.CANCELLED, actor="rider")


ROUTES = [offer, cancel, show, accept, decline]
