"""The organisers' payouts page of an event: who is paid what, who has no account yet, what is missing, and taking a hire back."""

from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID, uuid4

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.core.database import Pool
from app.core.errors import Invalid, NotFound
from app.core.idempotency import KeyedRequest
from app.core.money import minor_digits
from app.flows.close_book import cover_payouts
from app.flows.correct_hire import correct_hire
from app.surfaces.organiser.payout_reading import read_payouts
from app.surfaces.organiser.reading import event_by_code
from app.surfaces.statements.sheets import KINDS
from app.web.actors import Actor, CurrentActor
from app.web.forms import read_form
from app.web.pages import errors_by_field, page, see_other

AnyRequest = Request[Any, Any, Any]


class CoverForm(msgspec.Struct, frozen=True, kw_only=True):
    """What is missing, as it was shown."""

    missing_minor: int


class CorrectionForm(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a hire is taken back, such as `180.00`, and why; `key` makes a second tap the same one."""

    amount: str
    reason: str
    key: str


async def payouts_page(
    request: AnyRequest, code: str, pool: Pool, actor: Actor, *, refused: Invalid | None = None, about: UUID | None = None
) -> Response[Any]:
    """The page; `about` is the duty whose form was refused."""
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        payouts = await read_payouts(conn, event)
    return page(
        request, "organiser/payouts.html", status=refused.status if refused else 200, actor=actor, event=event, payouts=payouts,
        kinds=KINDS, key=uuid4().hex, faults=errors_by_field(refused) if refused else {}, about=about,
    )  # fmt: skip


@get("/organiser/events/{code:str}/payouts", include_in_schema=False)
async def show_payouts(request: AnyRequest, code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """An event's payouts."""
    actor.require_organiser()
    return await payouts_page(request, code, pool, actor)


@post("/organiser/events/{code:str}/payouts/cover", include_in_schema=False)
async def cover(request: AnyRequest, code: FromPath[str], pool: NamedDependency[Pool], actor: CurrentActor) -> Response[Any]:
    """Lets the house pay what was shown to be missing."""
    actor.require_organiser()
    form = await read_form(request, CoverForm)
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
    await cover_payouts(pool, event.id, missing_minor=form.missing_minor, actor=actor.audit_name)
    return see_other(f"/organiser/events/{code}/payouts", flash="saved")


@post("/organiser/events/{code:str}/duties/{duty_id:uuid}/correct", include_in_schema=False, status_code=200)
async def correct(
    request: AnyRequest, code: FromPath[str], duty_id: FromPath[UUID], pool: NamedDependency[Pool], actor: CurrentActor
) -> Response[Any]:
    """Takes a hire back, or part of it."""
    actor.require_organiser()
    async with pool.acquire() as conn:
        event = await event_by_code(conn, code)
        payouts = await read_payouts(conn, event)
    if duty_id not in {statement.duty_id for statement in payouts.statements}:
        raise NotFound("No hire was written down for this duty.", code="unknown_hire")
    try:
        form = await read_form(request, CorrectionForm, asks={"reason": "Say why: the operator reads it.", "amount": "Say how much."})
        amount_minor = minor_of(form.amount, event.currency)
        asked = KeyedRequest(key=form.key, body=f"{amount_minor} {form.reason}".encode())
        await correct_hire(pool, duty_id, amount_minor=amount_minor, reason=form.reason, actor=actor.audit_name, request=asked)
    except Invalid as invalid:
        return await payouts_page(request, code, pool, actor, refused=invalid, about=duty_id)
    return see_other(f"/organiser/events/{code}/payouts", flash="saved")


def minor_of(text: str, currency: str) -> int:
    """An amount as a person types it, in minor units. Raises Invalid."""
    digits = minor_digits(currency)
    try:
        minor = Decimal(text.replace(",", ".").replace(" ", "")).scaleb(digits)
    except InvalidOperation:
        minor = Decimal("0.5")
    if not minor.is_finite() or minor != minor.to_integral_value():
        raise Invalid.field("amount", f"Enter an amount in {currency}, such as {'180.00' if digits else '180'}.")
    return int(minor)


ROUTES = [show_payouts, cover, correct]
