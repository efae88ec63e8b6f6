"""Where pledges are measured: a durable PostgreSQL, a trip on sale, riders who are signed in and have a card each."""

import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from app.core.clock import Mark
from app.core.database import Pool, open_pool
from app.stage.databases import create_database, prepare_database
from app.stage.ports import free_port
from app.stage.postgres import EmbeddedPostgres
from app.stage.postgres_home import make_temporary_home
from app.stage.processes import Child, Role
from app.stage.roles import HOST, UNLIMITED_PER_S
from app.stage.server_user import server_user
from tests.bench.pledges.load import rider_token
from tests.support.threshold import SECRET, Sale, deadline, on_sale


class World(msgspec.Struct, frozen=True, kw_only=True):
    """A server with a migrated database, and a pool on it."""

    server: EmbeddedPostgres
    dsn: str
    pool: Pool
    folder: Path


@contextmanager
def durable_server() -> Iterator[EmbeddedPostgres]:
    """PostgreSQL as it is shipped, fsync and all, in a home that goes with it."""
    home = make_temporary_home(server_user())
    try:
        with EmbeddedPostgres(home=home) as server:
            yield server
    finally:
        shutil.rmtree(home, ignore_errors=True)


@asynccontextmanager
async def open_world(server: EmbeddedPostgres, folder: Path) -> AsyncIterator[World]:
    """A fresh database on the server."""
    dsn = await create_database(server.dsn(), f"bench_{secrets.token_hex(4)}")
    await prepare_database(dsn, Mark.TEST)
    async with await open_pool(dsn, min_size=1, max_size=4) as pool:
        yield World(server=server, dsn=dsn, pool=pool, folder=folder)


async def add_riders(pool: Pool, count: int) -> None:
    """Riders 0 to `count` - 1: an account, an open session (`rider_token`) and a saved card with a fingerprint of its own."""
    async with pool.acquire() as conn:
        await conn.execute(
            """
            WITH new AS (
                INSERT INTO accounts (email) SELECT 'rider-' || n || '@bench.example' FROM generate_series(0, $1::int - 1) n
                RETURNING id, email
            ), numbered AS (SELECT id, substring(email::text FROM '[0-9]+') AS n FROM new), open AS (
                INSERT INTO sessions (account_id, token_hash, expires_at)
                SELECT id, sha256(convert_to(replace($2::text, 'N', n), 'UTF8')), busload_now() + interval '1 day' FROM numbered
            )
            INSERT INTO saved_cards (account_id, customer_ref, payment_method_ref, card_fingerprint, card_label)
            SELECT id, 'cus_' || n, 'pm_' || n, 'card-' || n, 'Visa 4242' FROM numbered
            """,
            count,
            rider_token(0).replace("-0-", "-N-"),
            timeout=300,
        )
        await conn.execute("VACUUM ANALYZE accounts, sessions, saved_cards", timeout=300)


async def add_active_pledges(pool: Pool, sale: Sale, *, first: int, count: int) -> None:
    """Riders `first` and on have pledged already: active, one person each, counted on the trip."""
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL statement_timeout = 0")
        await conn.execute(
            """
            INSERT INTO pledges (public_code, trip_id, event_id, stop_id, account_id, name, email, email_normalised, seats, wheelchairs,
                legs, price_minor, amount_minor, currency, terms_version, terms_shown_at, state, manage_token_hash, customer_ref,
                payment_method_ref, card_fingerprint, card_label)
            SELECT 'S' || a.id, $1, $2, $3, a.id, 'Ada Lovelace', a.email, a.email::text, 1, 0, '{outbound,return}', 3200, 3200, 'USD',
                '2026-12', busload_now(), 'active', sha256(uuid_send(a.id)), c.customer_ref, c.payment_method_ref, c.card_fingerprint,
                c.card_label
            FROM accounts a JOIN saved_cards c ON c.account_id = a.id
            WHERE a.email IN (SELECT 'rider-' || n || '@bench.example' FROM generate_series($4::int, $4::int + $5::int - 1) n)
            """,
            sale.trip_id,
            sale.event_id,
            sale.stop_id,
            first,
            count,
            timeout=300,
        )
        await conn.execute("UPDATE trips SET secured = secured + $2 WHERE id = $1", sale.trip_id, count)
    await pool.execute("VACUUM ANALYZE pledges", timeout=300)


async def hot_trip(pool: Pool, *, minimum: int, cap: int) -> Sale:
    """A trip on sale."""
    return await on_sale(pool, minimum=minimum, cap=cap, deadline_at=deadline())


def web_process(world: World, name: str, port: int) -> Child:
    """A web process with one route more: a POST that does nothing, on the same stack."""
    settings = {
        "DATABASE_URL": world.dsn,
        "STRIPE_API_KEY": "sk_test_bench",
        "STRIPE_WEBHOOK_SECRET": "whsec_bench",
        "BUSLOAD_SECRET": SECRET,
        "BUSLOAD_BASE_URL": f"http://localhost:{port}",
        "BUSLOAD_SMTP_URL": "smtp://localhost:1",
        "BUSLOAD_LOG_LEVEL": "INFO",
        "BUSLOAD_STRIPE_ACCOUNT_PER_S": UNLIMITED_PER_S,
        "BUSLOAD_STRIPE_ENDPOINT_PER_S": UNLIMITED_PER_S,
    }
    ready = f"http://{HOST}:{port}/readyz"
    return Child(
        Role(name=name, module="tests.bench.pledges.web", arguments=(str(port),), settings=settings, ready_url=ready),
        log_folder=world.folder,
    )


@asynccontextmanager
async def serving(world: World, name: str = "web") -> AsyncIterator[tuple[Child, int]]:
    """A running web process and its port."""
    port = free_port()
    web = web_process(world, name, port)
    await web.start()
    try:
        yield web, port
    finally:
        await web.stop()
