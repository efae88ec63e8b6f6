"""The Litestar application: API under `/v1`, hosted pages under `/c`, control room under `/_stage`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import httpx
import msgspec
from litestar import Litestar, Request, Response, asgi, get, post
from litestar.datastructures import State
from litestar.static_files import create_static_files_router
from litestar.types import Receive, Scope, Send

from app.stage.fake_stripe import stage
from app.stage.fake_stripe.deliveries import Deliveries
from app.stage.fake_stripe.desk import Answered, Asked, Desk
from app.stage.fake_stripe.pages import Pages, Shown
from app.stage.fake_stripe.refusals import Refusal
from app.stage.fake_stripe.timers import Timers
from app.stage.fake_stripe.world import World

S = TypeVar("S", bound=msgspec.Struct)
AnyRequest = Request[Any, Any, State]

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"
TICK_S = 0.25
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@asgi("/v1", is_mount=True)
async def api(scope: Scope, receive: Receive, send: Send) -> None:
    """Every API call; plain ASGI because a reply may have to be cut off."""
    method = str(scope.get("method", ""))
    desk: Desk = scope["litestar_app"].state.desk
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    sent = await _body(receive)
    if sent is None:
        return
    body = sent.decode("utf-8", "replace")
    path = scope["path"] if scope["path"].startswith("/v1") else f"/v1{scope['path']}"
    asked = Asked(
        method=method,
        path=path.rstrip("/"),
        encoded=body if method == "POST" else scope["query_string"].decode(),
        authorization=headers.get("authorization", ""),
        idempotency_key=headers.get("idempotency-key"),
        account=headers.get("stripe-account"),
    )
    await _answer(send, await desk.serve(asked))


async def _body(receive: Receive) -> bytes | None:
    """The whole request body, which a mounted ASGI handler reads itself; None when its sender died in the middle: that was no request."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


async def _answer(send: Send, answered: Answered) -> None:
    headers = {"Content-Type": "application/json", "Stripe-Version": "2026-10-28.endive", **answered.headers}
    length = len(answered.body) + (1 if answered.cut else 0)
    raw = [(name.lower().encode(), value.encode()) for name, value in {**headers, "Content-Length": str(length)}.items()]
    await send({"type": "http.response.start", "status": answered.status or 200, "headers": raw})
    if not answered.cut:  # a reply that was announced and never comes makes the server drop the connection
        await send({"type": "http.response.body", "body": answered.body, "more_body": False})


@get("/c/pay/{session_id:str}")
async def show_session(request: AnyRequest, session_id: str) -> Response[str]:
    return _page(request, lambda pages: pages.show_session(session_id))


@post("/c/pay/{session_id:str}")
async def enter_card(request: AnyRequest, session_id: str) -> Response[str]:
    form = await _form(request)
    return _page(request, lambda pages: pages.enter_card(session_id, form))


@get("/c/approve/{intent_id:str}")
async def show_approval(request: AnyRequest, intent_id: str) -> Response[str]:
    return _page(request, lambda pages: pages.show_approval(intent_id))


@post("/c/approve/{intent_id:str}")
async def decide(request: AnyRequest, intent_id: str) -> Response[str]:
    approved = (await _form(request)).get("decision") == "approve"
    return _page(request, lambda pages: pages.decide(intent_id, approved=approved))


@get("/c/onboard/{account_id:str}")
async def onboard(request: AnyRequest, account_id: str) -> Response[str]:
    return_url = request.query_params.get("return_url", "")
    return _page(request, lambda pages: pages.onboard(account_id, return_url))


@get("/c/receipt/{charge_id:str}")
async def show_receipt(request: AnyRequest, charge_id: str) -> Response[str]:
    return _page(request, lambda pages: pages.show_receipt(charge_id))


async def _form(request: AnyRequest) -> dict[str, str]:
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace")))


def _page(request: AnyRequest, act: Callable[[Pages], Shown]) -> Response[str]:
    pages: Pages = request.app.state.pages
    try:
        shown = act(pages)
    except Refusal as refusal:
        shown = pages.refused(refusal)
    request.app.state.world.books.commit()
    headers = dict(PAGE_HEADERS)
    if shown.location is not None:
        headers["Location"] = shown.location
    return Response(shown.html, status_code=shown.status, headers=headers, media_type="text/html; charset=utf-8")


@get("/_stage/ready")
async def ready(request: AnyRequest) -> Response[bytes]:
    deliveries: Deliveries = request.app.state.deliveries
    webhooks = {"waiting": deliveries.waiting, "taken": deliveries.taken, "refused": deliveries.refused, "dropped": deliveries.dropped}
    desk: Desk = request.app.state.desk
    return _json({"ready": True, "webhooks": webhooks, "keys_forgotten": desk.replies.forgotten, **stage.show_clock(desk.world)})


@get("/_stage/books")
async def books(request: AnyRequest) -> Response[bytes]:
    return _json(stage.show_books(request.app.state.world))


@get("/_stage/balance")
async def show_balance(request: AnyRequest) -> Response[bytes]:
    return _json(stage.show_balance(request.app.state.world))


@get("/_stage/requests")
async def requests(request: AnyRequest) -> Response[bytes]:
    """The last 2,000 API requests, oldest first; `?endpoint=` filters."""
    wanted = request.query_params.get("endpoint")
    desk: Desk = request.app.state.desk
    return _json([seen for seen in desk.seen if wanted in (None, seen.endpoint)])


@get("/_stage/faults")
async def show_faults(request: AnyRequest) -> Response[bytes]:
    return _json(stage.show_faults(request.app.state.world))


@post("/_stage/faults")
async def set_faults(request: AnyRequest) -> Response[bytes]:
    return await _act(request, stage.FaultsWanted, stage.set_faults)


@get("/_stage/clock")
async def show_clock(request: AnyRequest) -> Response[bytes]:
    return _json(stage.show_clock(request.app.state.world))


@post("/_stage/clock")
async def set_clock(request: AnyRequest) -> Response[bytes]:
    return await _act(request, stage.ClockWanted, stage.set_clock)


@post("/_stage/sessions/{session_id:str}/complete")
async def complete_session(request: AnyRequest, session_id: str) -> Response[bytes]:
    return await _act(request, stage.CardWanted, lambda world, wanted: stage.complete_session(world, session_id, wanted))


@post("/_stage/wallets")
async def give_wallets(request: AnyRequest) -> Response[bytes]:
    return await _act(request, stage.WalletsWanted, stage.give_wallets)


@post("/_stage/intents/{intent_id:str}/decide")
async def decide_intent(request: AnyRequest, intent_id: str) -> Response[bytes]:
    return await _act(request, stage.Decision, lambda world, wanted: stage.decide_intent(world, intent_id, wanted))


@post("/_stage/disputes")
async def open_dispute(request: AnyRequest) -> Response[bytes]:
    return await _act(request, stage.DisputeWanted, stage.open_dispute)


@post("/_stage/disputes/{dispute_id:str}/close")
async def close_dispute(request: AnyRequest, dispute_id: str) -> Response[bytes]:
    return await _act(request, stage.Verdict, lambda world, wanted: stage.close_dispute(world, dispute_id, wanted))


@post("/_stage/accounts/{account_id:str}/enable")
async def enable_account(request: AnyRequest, account_id: str) -> Response[bytes]:
    return await _act(request, stage.Nothing, lambda world, _: stage.enable_account(world, account_id))


@post("/_stage/topups")
async def top_up(request: AnyRequest) -> Response[bytes]:
    return await _act(request, stage.TopUp, stage.top_up)


@post("/_stage/movements")
async def tamper(request: AnyRequest) -> Response[bytes]:
    return await _act(request, stage.Tampering, stage.tamper)


async def _act(request: AnyRequest, shape: type[S], act: Callable[[World, S], dict[str, Any]]) -> Response[bytes]:
    """Run one control and commit it with what became due by it."""
    world: World = request.app.state.world
    try:
        answer = act(world, msgspec.json.decode(await request.body() or b"{}", type=shape))
    except (Refusal, msgspec.DecodeError) as fault:
        world.books.commit()
        status = fault.status if isinstance(fault, Refusal) else 400
        return Response(msgspec.json.encode({"error": str(fault)}), status_code=status, media_type="application/json")
    world.books.commit()
    request.app.state.timers.fire()
    return _json(answer)


def _json(value: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(value), status_code=200, media_type="application/json")


@asynccontextmanager
async def _running(app: Litestar) -> AsyncIterator[None]:
    """Deliver webhooks and fire timers while the application serves."""
    world: World = app.state.world
    async with httpx.AsyncClient() as client:
        app.state.deliveries = Deliveries(world, client)
        tasks = [asyncio.create_task(app.state.deliveries.run()), asyncio.create_task(_tick(app.state.timers))]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
            world.books.close()


async def _tick(timers: Timers) -> None:
    """Fire what is due; one that fails is logged and does not end the others."""
    while True:
        try:
            timers.fire()
        except Exception:
            log.exception("fake_stripe.timer_failed")
        await asyncio.sleep(TICK_S)


def build_app(world: World) -> Litestar:
    """The application over one world."""
    pages = [show_session, enter_card, show_approval, decide, onboard, show_receipt]
    reads = [ready, books, show_balance, requests, show_faults, show_clock]
    acts = [
        set_faults,
        set_clock,
        complete_session,
        give_wallets,
        decide_intent,
        open_dispute,
        close_dispute,
        enable_account,
        top_up,
        tamper,
    ]
    return Litestar(
        route_handlers=[api, *pages, *reads, *acts, create_static_files_router(path="/c/static", directories=[STATIC])],
        state=State({"world": world, "desk": Desk(world), "pages": Pages(world), "timers": Timers(world)}),
        lifespan=[_running],
        openapi_config=None,
    )
