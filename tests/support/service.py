"""The service for a test: the real application on a real port, its worker's steps at the test's command, a fake Stripe beside it."""

import asyncio
import contextlib
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import uvicorn

from app.core.clock import shift_clock
from app.core.database import Pool, open_pool, transaction
from app.core.ids import token_hash
from app.domain.accounts.model import Role
from app.domain.accounts.store import add_session, find_or_add_account, grant_role
from app.domain.notifications.letters import build_letter_environment
from app.domain.partners.sending import WebhookClient
from app.main import build_app
from app.settings import Settings
from app.stage.ports import free_port
from app.worker import JOBS, Wiring, fire_due
from solver.travel import GreatCircle
from tests.support.fake_stripe import API_KEY, WEBHOOK_SECRET, FakeStripe

SECRET = "a secret of thirty-two characters and more"
ARRIVE = datetime(2030, 6, 1, 16, 0, tzinfo=UTC)


class QuietServer(uvicorn.Server):
    """A server inside a test: signals stay pytest's, and one that cannot start is the error of that test alone."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts as uvicorn does, its SystemExit made an error: the former would spoil a fixture for every test after."""
        try:
            await super().startup(sockets)
        except SystemExit as end:
            raise RuntimeError(f"The server of port {self.config.port} did not start; its log says why") from end

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Postbox:
    """Takes mails and keeps them."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    async def send(self, message: Any) -> None:
        self.messages.append(message)


class Service:
    """A running service. `http` is nobody, `organiser` is signed in; `work` does what a worker would."""

    def __init__(
        self, *, pool: Pool, settings: Settings, http: httpx.AsyncClient, organiser: httpx.AsyncClient, stripe: FakeStripe
    ) -> None:
        self.pool, self.settings, self.http, self.organiser, self.stripe = pool, settings, http, organiser, stripe
        self.postbox = Postbox()
        self.wiring = Wiring(
            pool=pool,
            gateway=stripe.gateway,
            mail_server=self.postbox,
            letters=build_letter_environment(secret=SECRET, base_url=settings.base_url),
            webhooks=WebhookClient(),
            travel=GreatCircle(),
            settings=settings,
        )

    async def work(self, *kinds: str) -> int:
        """Works on queued jobs of these kinds (all without any) until none is left; returns how many."""
        done = 0
        while True:
            async with self.pool.acquire() as conn:
                rows = await conn.fetch(
                    "DELETE FROM pgqueuer WHERE entrypoint = ANY($1::text[]) RETURNING entrypoint, payload", list(kinds or JOBS)
                )
            if not rows:
                return done
            for row in rows:
                await JOBS[row["entrypoint"]](self.wiring, UUID(bytes=row["payload"]))
            done += len(rows)

    async def sweep(self) -> int:
        """Fires what is due."""
        return await fire_due(self.wiring)

    async def jump(self, shift: timedelta) -> None:
        """Lets the database's clock run ahead."""
        async with transaction(self.pool) as conn:
            await shift_clock(conn, shift)

    async def event(self, **other: Any) -> dict[str, Any]:
        """A new event as the API shows it."""
        answer = await self.organiser.post("/api/events", json=event_wish(**other))
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def trip(self, event: dict[str, Any], *, opened: bool = True, **other: Any) -> dict[str, Any]:
        """A trip with two approved stops, on sale unless told otherwise; its `stops` are added to what the API shows."""
        made = await self.organiser.post(f"/api/events/{event['id']}/trips", json=trip_wish(**other))
        assert made.status_code == 201, made.text
        trip: dict[str, Any] = made.json()
        if opened:
            answer = await self.organiser.post(f"/api/trips/{trip['id']}/open")
            assert answer.status_code == 200, answer.text
            trip = answer.json()
            trip["stops"] = (await self.http.get(f"/api/trips/{trip['id']}")).json()["stops"]
        return trip

    async def pledge(self, trip: dict[str, Any], *, key: str | None = None, **other: Any) -> httpx.Response:
        """One POST of a pledge."""
        body = {"stop_id": trip["stops"][0]["id"], "name": "Ada", "email": f"{secrets.token_hex(6)}@example.org", "seats": 1, **other}
        return await self.http.post(f"/api/trips/{trip['id']}/pledges", json=body, headers={"Idempotency-Key": key or uuid4().hex})

    async def pledged(self, trip: dict[str, Any], *, card: str = "4242424242424242", **other: Any) -> dict[str, Any]:
        """A pledge whose card is saved and counted; the API's answer to placing it."""
        answer = await self.pledge(trip, **other)
        assert answer.status_code == 201, answer.text
        placed: dict[str, Any] = answer.json()
        await self.save_card(placed, card)
        return placed

    async def save_card(self, placed: dict[str, Any], card: str = "4242424242424242") -> None:
        """The rider saves a card and comes back."""
        session = placed["pledge"]["card_url"].rsplit("/", 1)[-1]
        await self.stripe.stage(f"sessions/{session}/complete", {"card": card})
        answer = await self.http.get(f"/p/{placed['manage_token']}/card-saved", params={"session": session})
        assert answer.status_code in {200, 303}, answer.text

    async def show(self, placed: dict[str, Any]) -> dict[str, Any]:
        """The pledge as it is now."""
        answer = await self.http.get(
            f"/api/pledges/{placed['pledge']['id']}", headers={"Authorization": f"Bearer {placed['manage_token']}"}
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def trip_now(self, trip: dict[str, Any]) -> dict[str, Any]:
        """The trip as it is now."""
        found: dict[str, Any] = (await self.http.get(f"/api/trips/{trip['id']}")).json()["trip"]
        return found


def event_wish(**other: Any) -> dict[str, Any]:
    """A march in Washington."""
    return {
        "name": "Women's March",
        "kind": "march",
        "venue_name": "National Mall",
        "address": "Washington, DC",
        "lat": 38.8895,
        "lon": -77.0229,
        "zone": "America/New_York",
        "currency": "USD",
        "starts_at": (ARRIVE + timedelta(hours=1)).isoformat(),
        "ends_at": (ARRIVE + timedelta(hours=5)).isoformat(),
        "arrive_by_at": ARRIVE.isoformat(),
        "return_departs_at": (ARRIVE + timedelta(hours=6)).isoformat(),
        "booking_closes_at": (ARRIVE - timedelta(days=10)).isoformat(),
        "capacity_deadline_at": (ARRIVE - timedelta(days=5)).isoformat(),
        "contact_phone": "+1 202 555 0100",
        **other,
    }


def trip_wish(**other: Any) -> dict[str, Any]:
    """A trip from Baltimore that needs three people."""
    return {
        "origin": "Baltimore",
        "origin_lat": 39.29,
        "origin_lon": -76.61,
        "zone": "America/New_York",
        "price_both_minor": 3200,
        "price_one_way_minor": 2000,
        "minimum": 3,
        "cap": 10,
        "deadline_at": (ARRIVE - timedelta(days=20)).isoformat(),
        "stops": [
            {"name": "Camden Yards", "lat": 39.284, "lon": -76.622, "zone": "America/New_York"},
            {"name": "Penn Station", "lat": 39.307, "lon": -76.615, "zone": "America/New_York"},
        ],
        **other,
    }


async def signed_in(pool: Pool, email: str, role: Role, **of: UUID) -> str:
    """A session token of an account with a role."""
    token = secrets.token_urlsafe(32)
    async with transaction(pool) as conn:
        account = await find_or_add_account(conn, email)
        await grant_role(conn, account.id, role, **of)
        await add_session(conn, account_id=account.id, token_hash=token_hash(token), expires_at=datetime(2100, 1, 1, tzinfo=UTC))
    return token


@contextlib.asynccontextmanager
async def running_service(dsn: str, stripe: FakeStripe) -> AsyncIterator[Service]:
    """The service on this database and this fake Stripe, until the block ends."""
    port = free_port()
    settings = Settings(
        database_url=dsn,
        stripe_api_key=API_KEY,
        stripe_webhook_secret=WEBHOOK_SECRET,
        stripe_base=stripe.url,
        secret=SECRET,
        base_url=f"http://localhost:{port}",
        smtp_url="smtp://localhost:1",
        mail_from="Busload <busload@localhost>",
        osrm_url=None,
        log_level="WARNING",
    )
    server = QuietServer(uvicorn.Config(build_app(settings), host="127.0.0.1", port=port, log_config=None, lifespan="on"))
    serving = asyncio.create_task(server.serve())
    async with await open_pool(dsn, min_size=1, max_size=10) as pool:
        token = await signed_in(pool, "staff@example.org", Role.ORGANISER)
        base = f"http://127.0.0.1:{port}"
        async with (
            httpx.AsyncClient(base_url=base, trust_env=False, timeout=30) as http,
            httpx.AsyncClient(base_url=base, trust_env=False, timeout=30, headers={"Authorization": f"Bearer {token}"}) as organiser,
        ):
            await until_ready(http, serving)
            try:
                yield Service(pool=pool, settings=settings, http=http, organiser=organiser, stripe=stripe)
            finally:
                server.should_exit = True
                await serving


async def until_ready(http: httpx.AsyncClient, serving: asyncio.Task[None], *, patience_s: float = 20.0) -> None:
    """Returns once the service answers; raises what stopped it."""
    async with asyncio.timeout(patience_s):
        while not serving.done():
            with contextlib.suppress(httpx.TransportError):
                if (await http.get("/readyz")).status_code == 200:
                    return
            await asyncio.sleep(0.02)
    await serving
