"""Pages of passing seats on: the owner offers and takes back, the other person looks, accepts or declines."""

from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from app.core.clock import busload_now
from app.core.database import Pool
from app.core.errors import Invalid, NotFound, Refusal
from app.core.ids import token_hash
from app.domain.events import store as events
from app.domain.pledges import store as pledges
from app.domain.pledges import transfer_store as transfers
from app.domain.pledges.model import TransferState
from app.domain.pledges.transfer_store import Transfer
from app.domain.trips import store as trips
from app.flows.transfer_pledge import NO_TRANSFER, accept_transfer, cancel_transfer, end_transfer, is_open, offer_transfer
from app.settings import Settings
from app.surfaces.rider.pledge_pages import find_pledge, show_pledge
from app.web.actors import CurrentActor
from app.web.forms import read_form
from app.web.pages import errors_by_field, page, see_other

ASKS = {"to_name": "Please give the name of who takes your seats.", "to_email": "Please give their e-mail address: the offer goes there."}
AGREE = "Please agree to the terms to take the seats."


class OfferForm(msgspec.Struct, frozen=True, kw_only=True):
    """Who is to have the seats."""

    to_name: str
    to_email: str


class AcceptForm(msgspec.Struct, frozen=True, kw_only=True):
    """What the driver should know of the new rider."""

    phone: str = ""
    needs: str = ""
    terms: str = ""


@post("/p/{token:str}/transfer", include_in_schema=False, status_code=200)
async def offer(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Response[Any]:
    """Offers the seats to somebody."""
    pledge = await find_pledge(pool, token)
    try:
        form = await read_form(request, OfferForm, asks=ASKS)
        await offer_transfer(pool, pledge.id, name=form.to_name, email=form.to_email, secret=settings.secret, actor="rider")
    except Invalid as invalid:
        return await show_pledge(request, pool, settings, actor, token, errors=errors_by_field(invalid), status=422)
    except Refusal as refused:
        return await show_pledge(request, pool, settings, actor, token, errors={"": refused.detail}, status=refused.status)
    return see_other(f"/p/{token}", flash="transfer_offered")


@post("/p/{token:str}/transfer/cancel", include_in_schema=False, status_code=200)
async def cancel(token: FromPath[str], pool: NamedDependency[Pool]) -> Response[Any]:
    """Takes the offer back."""
    pledge = await find_pledge(pool, token)
    taken_back = await cancel_transfer(pool, pledge.id, actor="rider")
    return see_other(f"/p/{token}", flash="transfer_cancelled" if taken_back else None)


async def find_transfer(pool: Pool, token: str) -> Transfer:
    """The offer of seats that a link opens, or NotFound."""
    async with pool.acquire() as conn:
        found = await transfers.find_transfer_by_token(conn, token_hash(token))
    if found is None:
        raise NotFound(NO_TRANSFER, code="unknown_transfer")
    return found


@get("/transfer/{token:str}", include_in_schema=False)
async def transfer_page(
    request: Request[Any, Any, Any], token: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor
) -> Template:
    """Seats somebody wants me to have."""
    return await show_transfer(request, pool, actor, token, errors={})


async def show_transfer(
    request: Request[Any, Any, Any], pool: Pool, actor: CurrentActor, token: str, *, errors: dict[str, str], status: int = 200
) -> Template:
    """What the seats are, and the form that takes them. Nothing of the pledge itself is shown before."""
    transfer = await find_transfer(pool, token)
    async with pool.acquire() as conn:
        pledge = await pledges.get_pledge(conn, transfer.pledge_id)
        assert pledge is not None
        trip = await trips.get_trip(conn, pledge.trip_id)
        event = await events.get_event(conn, pledge.event_id)
        stop = await events.get_stop(conn, pledge.stop_id)
        open_now = is_open(transfer, await busload_now(conn))
    return page(
        request, "rider/transfer.html", actor=actor, status=status, errors=errors, token=token, transfer=transfer, pledge=pledge,
        trip=trip, event=event, stop=stop, open_now=open_now,
    )  # fmt: skip


@post("/transfer/{token:str}/accept", include_in_schema=False, status_code=200)
async def accept(
    request: Request[Any, Any, Any],
    token: FromPath[str],
    pool: NamedDependency[Pool],
    settings: NamedDependency[Settings],
    actor: CurrentActor,
) -> Response[Any]:
    """Takes the seats and goes on to them."""
    transfer = await find_transfer(pool, token)
    try:
        form = await read_form(request, AcceptForm)
        if form.terms != "yes":
            raise Invalid.field("terms", AGREE)
        accepted = await accept_transfer(pool, transfer.id, phone=form.phone, needs=form.needs, secret=settings.secret)
    except Invalid as invalid:
        return await show_transfer(request, pool, actor, token, errors=errors_by_field(invalid), status=422)
    except Refusal as refused:
        return await show_transfer(request, pool, actor, token, errors={"": refused.detail}, status=refused.status)
    return see_other(f"/p/{accepted.manage_token}", flash="transfer_accepted")


@post("/transfer/{token:str}/decline", include_in_schema=False, status_code=200)
async def decline(token: FromPath[str], pool: NamedDependency[Pool]) -> Response[Any]:
    """Does not want them."""
    transfer = await find_transfer(pool, token)
    await end_transfer(pool, transfer.id, go_to=TransferState.CANCELLED, actor="rider")
    return see_other(f"/transfer/{token}")


ROUTES = [offer, cancel, transfer_page, accept, decline]
