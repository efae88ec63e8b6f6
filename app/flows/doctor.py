"""`busload doctor`: is everything this service needs there, and does everything hold that must hold."""

from collections.abc import Awaitable, Callable
from urllib.parse import unquote, urlsplit

import aiosmtplib
import asyncpg
import httpx
import msgspec

from app.core.clock import CLOCKS_APART, ClocksDisagree, Mark, clock_error, read_mark
from app.core.database import Connection, set_up_connection
from app.domain.payments.gateway import GatewayError, NotFound
from app.domain.payments.reconcile_store import last_run, seconds_unreconciled
from app.domain.payments.stripe_gateway import StripeGateway
from app.flows.invariants import read_invariants, violations_of
from app.settings import Settings
from solver.travel import Osrm, Place, TravelTimesError

PATIENCE_S = 10.0
UNCOMPARED_S = 30 * 3600.0  # a worker compares once a day
SHOWN = 5


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One check: what was looked at, whether it is well, and what to know or do."""

    check: str
    ok: bool
    detail: str


async def examine(settings: Settings) -> list[Finding]:
    """Looks at everything, the rest also when one part fails. Changes nothing."""
    outside = [
        await look("webhook address answers", lambda: check_webhook(settings)),
        await look("mail server answers", lambda: check_mail(settings)),
    ]
    try:
        conn = await asyncpg.connect(settings.database_url, timeout=PATIENCE_S, server_settings={"application_name": "busload doctor"})
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return [
            Finding(check="database reachable", ok=False, detail=f"{type(error).__name__}: check DATABASE_URL and the server"),
            *outside,
        ]
    try:
        await set_up_connection(conn)
        return [Finding(check="database reachable", ok=True, detail=""), *await examine_database(conn, settings), *outside]
    finally:
        await conn.close()


async def examine_database(conn: Connection, settings: Settings) -> list[Finding]:
    """Everything that needs the database; an old schema ends it, because nothing else could be read."""
    schema = await look("migrations current", lambda: check_schema(conn))
    if not schema.ok:
        return [schema]
    return [
        schema,
        await look("clock shift zero on a live database", lambda: check_clock(conn)),
        await look("Stripe key answers", lambda: check_stripe(conn, settings)),
        Finding(check="Stripe webhook secret present", ok=bool(settings.stripe_webhook_secret), detail=""),
        await look("travel-time provider answers", lambda: check_travel(conn, settings)),
        await look("ledger and Stripe agree", lambda: check_reconciliation(conn)),
        await look("no job held", lambda: check_jobs(conn)),
        await look("no timer keeps failing", lambda: check_timers(conn)),
        *await examine_invariants(conn),
    ]


async def examine_invariants(conn: Connection) -> list[Finding]:
    """One finding per invariant."""
    findings = []
    for invariant in read_invariants():
        found = await violations_of(conn, invariant)
        shown = "; ".join(f"{one.subject}: {one.detail}" for one in found[:SHOWN])
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        findings.append(Finding(check=invariant.name, ok=not found, detail=shown + more))
    return findings


class Unwell(Exception):
    """A check failed; the text says what to do."""


async def look(check: str, step: Callable[[], Awaitable[str]]) -> Finding:
    """Runs one check; whatever goes wrong becomes its finding."""
    try:
        return Finding(check=check, ok=True, detail=await step())
    except Unwell as unwell:
        return Finding(check=check, ok=False, detail=str(unwell))
    except (
        OSError,
        TimeoutError,
        asyncpg.PostgresError,
        httpx.HTTPError,
        aiosmtplib.SMTPException,
        GatewayError,
        TravelTimesError,
    ) as error:
        return Finding(check=check, ok=False, detail=f"{type(error).__name__}: {error}")


async def check_schema(conn: Connection) -> str:
    """The database's revision is the newest one of this version of the service."""
    from app.core.migrate import newest_revision  # noqa: PLC0415  a third of a web process's start, and only a doctor needs it

    newest = newest_revision()
    there = (
        await conn.fetchval("SELECT version_num FROM alembic_version")
        if await conn.fetchval("SELECT to_regclass('alembic_version')")
        else None
    )
    if there != newest:
        raise Unwell(f"the database is at {there or 'nothing'}, this version needs {newest}: run `busload migrate`")
    return f"revision {there}"


async def check_clock(conn: Connection) -> str:
    """Only demo and test databases may run ahead of or behind real time; the database's own clock is this host's."""
    row = await conn.fetchrow("SELECT mark, clock_shift FROM installation")
    if row is None:
        raise Unwell("the installation row is gone: this database was not made by our migrations")
    if row["mark"] == Mark.LIVE and row["clock_shift"]:
        raise Unwell(f"live, and its clock is shifted by {row['clock_shift']}: set installation.clock_shift to 0")
    if abs(by := await clock_error(conn)) > CLOCKS_APART:
        raise Unwell(f"{ClocksDisagree(by)}: no deadline is decided until they agree; set both hosts' clocks (NTP)")
    return f"marked {row['mark']}, clock shifted by {row['clock_shift']}"


async def check_stripe(conn: Connection, settings: Settings) -> str:
    """Asks for a PaymentIntent that cannot exist: that it is not found shows that the key is good."""
    base = settings.stripe_base if await read_mark(conn) is not Mark.LIVE else None
    if settings.stripe_base and base is None:
        raise Unwell("BUSLOAD_STRIPE_BASE is set, but this database is live: unset it")
    gateway = StripeGateway(api_key=settings.stripe_api_key, base_url=base, timeout_s=PATIENCE_S)
    try:
        await gateway.fetch_payment_intent("pi_busload_doctor")
    except NotFound:
        return "the fake one" if base else ""
    finally:
        await gateway.aclose()
    return ""


async def check_webhook(settings: Settings) -> str:
    """Posts an unsigned event to our public address: a refusal shows that Stripe's would arrive."""
    url = f"{settings.base_url}/api/stripe/webhook"
    async with httpx.AsyncClient(timeout=PATIENCE_S, trust_env=False) as client:
        status = (await client.post(url, content=b"{}")).status_code
    if status not in {httpx.codes.BAD_REQUEST, httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN, httpx.codes.UNPROCESSABLE_ENTITY}:
        raise Unwell(f"{url} answers {status} to an unsigned event, a refusal was expected: is this our service?")
    return url


async def check_mail(settings: Settings) -> str:
    """Connects, greets, signs in when there is a user, and sends nothing."""
    url = urlsplit(settings.smtp_url)
    client = aiosmtplib.SMTP(
        hostname=url.hostname, port=url.port or (465 if url.scheme == "smtps" else 587), use_tls=url.scheme == "smtps", timeout=PATIENCE_S,
        username=unquote(url.username) if url.username else None, password=unquote(url.password) if url.password else None,
    )  # fmt: skip
    async with client:
        await client.noop()
    return f"{url.hostname}:{client.port}"


async def check_travel(conn: Connection, settings: Settings) -> str:
    """Asks the provider for one way of ours: a server knows the roads of its own region only."""
    if settings.osrm_url is None:
        return "great circle x detour, computed here"
    row = await conn.fetchrow(
        """
        SELECT e.lat, e.lon, s.lat AS stop_lat, s.lon AS stop_lon
        FROM stops s JOIN events e ON e.id = s.event_id ORDER BY s.created_at DESC LIMIT 1
        """
    )
    if row is None:
        return f"{settings.osrm_url}, not asked: there is no stop yet"
    places = [Place(id="venue", lat=row["lat"], lon=row["lon"]), Place(id="stop", lat=row["stop_lat"], lon=row["stop_lon"])]
    async with httpx.AsyncClient(trust_env=False) as client:
        table = await Osrm(client, settings.osrm_url, timeout_s=PATIENCE_S).table(places)
    return f"{settings.osrm_url}: {table.distance_m[0][1]} m from the newest stop's venue to it"


async def check_reconciliation(conn: Connection) -> str:
    """The last comparison found nothing, and no movement has waited longer than a day and a bit for one."""
    last = await last_run(conn)
    waited_s = await seconds_unreconciled(conn)
    age = f"compared {last.started_at:%Y-%m-%d %H:%M} UTC, {last.movements} movements" if last else "not compared yet"
    if last is not None and last.findings:
        kinds = ", ".join(sorted({finding.kind for finding in last.findings}))
        raise Unwell(f"{age}: {len(last.findings)} differences ({kinds}). `busload reconcile` says where and what to do")
    if waited_s is not None and waited_s > UNCOMPARED_S:
        raise Unwell(f"{age}; a movement has waited {waited_s / 3600:.0f} hours. Is a worker running? `busload reconcile` compares now")
    return age


async def check_jobs(conn: Connection) -> str:
    """Jobs that failed too often are held for a person: listed by kind."""
    held = await conn.fetch(
        "SELECT entrypoint, count(*) AS jobs FROM pgqueuer WHERE status = 'failed' GROUP BY entrypoint ORDER BY entrypoint"
    )
    if held:
        raise Unwell(
            ", ".join(f"{row['jobs']} x {row['entrypoint']}" for row in held) + " failed and wait for a person: see the worker's log"
        )
    waiting = await conn.fetchval("SELECT count(*) FROM pgqueuer")
    return f"{waiting} waiting"


async def check_timers(conn: Connection) -> str:
    """Timers whose flow has failed five times in a row; they are tried again all the same."""
    stuck = await conn.fetch(
        "SELECT kind, count(*) AS timers FROM timers WHERE fired_at IS NULL AND attempts >= 5 GROUP BY kind ORDER BY kind"
    )
    if stuck:
        raise Unwell(", ".join(f"{row['timers']} x {row['kind']}" for row in stuck) + " fail again and again: see the worker's log")
    waiting = await conn.fetchval("SELECT count(*) FROM timers WHERE fired_at IS NULL")
    return f"{waiting} waiting"
