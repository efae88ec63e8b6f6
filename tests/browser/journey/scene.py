"""Everything one trip needs before its first rider comes: a private stack, a bus company, an event on sale, and its own site elsewhere."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import msgspec
import uvicorn
from playwright.async_api import Browser, BrowserContext, ConsoleMessage

from app.core.clock import shift_clock
from app.core.database import Pool, open_pool, transaction
from app.core.ids import new_id
from app.domain.partners.model import Partner
from app.domain.partners.store import add_partner
from app.flows.keep_keys import create_key
from app.stage.partner_site.__main__ import build_site
from app.stage.ports import free_port
from app.stage.private_stack import PrivateStack, private_stack
from app.stage.world.fleets import add_fleets
from app.stage.world.records import read_names, read_operators
from tests.support.service import QuietServer, event_wish, trip_wish
from tests.support.waiting import wait_until_async

OPERATOR = "PATAPSCO"
PHONE = {"width": 390, "height": 844}
NOISE = ("GL Driver Message", "net::ERR_INTERNET_DISCONNECTED")  # a machine without a GPU; a phone whose signal we took away
T = TypeVar("T")


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Where everybody is. `faults` collects what any console or policy complained about."""

    stack: PrivateStack
    pool: Pool
    http: httpx.AsyncClient
    inbox: httpx.AsyncClient
    chrome: Browser
    event: dict[str, Any]
    trip: dict[str, Any]
    partner_url: str
    faults: list[str]

    @property
    def base(self) -> str:
        """The service's address."""
        return self.stack.base_url

    async def somebody(self, **options: Any) -> BrowserContext:
        """A person with a browser of their own."""
        context = await self.chrome.new_context(reduced_motion="reduce", **options)
        context.set_default_timeout(30_000)

        def hear(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"} and not any(noise in message.text for noise in NOISE):
                self.faults.append(message.text)

        context.on("console", hear)
        context.on("weberror", lambda error: self.faults.append(f"{error.page and error.page.url}: {error.error.stack}"))
        return context

    async def jump_to(self, moment: datetime) -> None:
        """Lets the service's clock stand at this moment and run on."""
        async with transaction(self.pool) as conn:
            await shift_clock(conn, moment - datetime.now(tz=UTC))

    async def mailed_link(self, to: str, part: str) -> str:
        """The newest mailed link to somebody that has `part` in it, waited for."""

        async def links() -> list[str]:
            mails = (await self.inbox.get("/api/messages", params={"to": to})).json()
            return [link for mail in mails for link in mail["links"] if part in link]

        return (await found(links, f"a mail to {to} with a link to {part}"))[-1]


async def found(look: Callable[[], Awaitable[T]], what: str) -> T:
    """What `look` gives as soon as it is something."""
    result: list[T] = []

    async def seen() -> bool:
        result[:] = [await look()]
        return bool(result[0])

    await wait_until_async(seen, what)
    return result[0]


@asynccontextmanager
async def set_scene(server: tuple[str, str], chrome: Browser) -> AsyncIterator[Scene]:
    """A stack, an event with one trip from Baltimore that needs three people, a company nearby, and the event's own site."""
    async with AsyncExitStack() as closing:
        stack = await closing.enter_async_context(private_stack(server_dsn=server[0], template=server[1]))
        pool = await closing.enter_async_context(await open_pool(stack.dsn, min_size=1, max_size=3))
        async with transaction(pool) as conn:
            await add_fleets(conn, [one for one in read_operators() if one.code == OPERATOR], read_names())
            partner = Partner(
                id=new_id(), public_code="MARCH", name="The March", site_url="https://march.example", email="desk@march.example"
            )
            await add_partner(conn, partner)
        site = f"http://127.0.0.1:{free_port()}"
        key = await create_key(pool=pool, partner_id=partner.id, origins=[site], actor="partner:test")
        http = await closing.enter_async_context(_client(stack.base_url))
        token = (await http.post("/api/demo/sessions", json={"role": "organiser"})).json()["token"]
        organiser = await closing.enter_async_context(_client(stack.base_url, token))
        event, trip = await _put_on_sale(organiser, str(partner.id))
        await closing.enter_async_context(_partner_site(site, stack.base_url, event, key.public_key))
        inbox = await closing.enter_async_context(_client(stack.inbox_url))
        yield Scene(stack=stack, pool=pool, http=organiser, inbox=inbox, chrome=chrome, event=event, trip=trip, partner_url=site, faults=[])


def _client(base_url: str, token: str | None = None) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(base_url=base_url, headers=headers, trust_env=False, timeout=30)


async def _put_on_sale(organiser: httpx.AsyncClient, partner_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    arrive = (datetime.now(tz=UTC) + timedelta(days=30)).replace(hour=16, minute=0, second=0, microsecond=0)
    dates = {
        "starts_at": arrive + timedelta(hours=1),
        "ends_at": arrive + timedelta(hours=5),
        "arrive_by_at": arrive,
        "return_departs_at": arrive + timedelta(hours=6),
        "booking_closes_at": arrive - timedelta(days=10),
        "capacity_deadline_at": arrive - timedelta(days=5),
    }
    wish = event_wish(partner_id=partner_id, partner_share_bp=500, **{name: moment.isoformat() for name, moment in dates.items()})
    event: dict[str, Any] = (await organiser.post("/api/events", json=wish)).raise_for_status().json()
    offered = trip_wish(deadline_at=(arrive - timedelta(days=20)).isoformat())
    trip: dict[str, Any] = (await organiser.post(f"/api/events/{event['id']}/trips", json=offered)).raise_for_status().json()
    (await organiser.post(f"/api/trips/{trip['id']}/open")).raise_for_status()
    return event, trip


@asynccontextmanager
async def _partner_site(origin: str, service_url: str, event: dict[str, Any], key: str) -> AsyncIterator[None]:
    """The event's own site, on another host name and under a policy that allows our origin for scripts and nothing else."""
    site = build_site(service_url=service_url, event=event["code"], key=key, name=event["name"], place=event["venue"])
    config = uvicorn.Config(site, host="127.0.0.1", port=int(origin.rsplit(":", 1)[1]), log_config=None, lifespan="on")
    server = QuietServer(config)
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving
