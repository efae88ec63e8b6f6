"""Riders: the trip page, pledges on one trip, pledges spread over many, sign-in links, the partners' widget."""

from http.cookies import SimpleCookie
from itertools import count as counting
from uuid import UUID

import httpx

from app.core.database import Pool, transaction
from app.core.ids import new_id, public_code
from app.domain.partners.model import Partner
from app.domain.partners.store import add_partner
from app.flows.keep_keys import create_key
from app.stage.roles import HOST
from app.surfaces.partner.widget import VERSION
from tests.bench.limits.requests import ask, cycled, form
from tests.bench.limits.stepping import Budget, Load
from tests.bench.pledges.load import rider_token
from tests.bench.pledges.world import hot_trip
from tests.support.threshold import Sale

READERS = 512
PAGE = Budget(p99_ms=200, stated="a page beside an on-sale")
PLEDGE = Budget(p99_ms=250, stated="a pledge")
ORIGIN = "https://www.partner.example"


async def read_trip_page(pool: Pool, port: int) -> Load:
    """Riders without a session open a trip's page."""
    sale = await hot_trip(pool, minimum=50, cap=500)
    code = await pool.fetchval("SELECT public_code FROM trips WHERE id = $1", sale.trip_id)
    pages = [ask("GET", f"/trips/{code}", port=port, number=n, headers={"Accept": "text/html"}) for n in range(READERS)]

    async def make(_count: int) -> list[bytes]:
        return pages

    return Load(name="trip page", budget=PAGE, make=make, again=True, marker=code)


def pledge_bytes(port: int, trip_id: UUID, stop_id: UUID, *, rider: int, key: str) -> bytes:
    """A signed-in rider's pledge with the saved card."""
    body = {"stop_id": str(stop_id), "name": "Ada Lovelace", "email": f"rider-{rider}@bench.example", "seats": 1, "payment_method": "saved"}
    headers = {"Authorization": f"Bearer {rider_token(rider)}", "Idempotency-Key": key}
    return ask("POST", f"/api/trips/{trip_id}/pledges", port=port, number=rider, body=body, headers=headers)


async def pledge_on_one_trip(pool: Pool, port: int, *, riders: int) -> Load:
    """Everybody wants the same trip: a new one for each step, which never gets its minimum."""

    async def make(count: int) -> list[bytes]:
        count = min(count, riders)
        sale = await hot_trip(pool, minimum=riders + 1, cap=2 * riders)
        return [pledge_bytes(port, sale.trip_id, sale.stop_id, rider=n, key=f"{sale.trip_id}-{n}") for n in range(count)]

    return pledging("pledges, one trip", pool, make)


async def pledge_on_many_trips(pool: Pool, port: int, *, riders: int, trips: int) -> Load:
    """The same spread over many trips of one event."""
    sale = await hot_trip(pool, minimum=riders + 1, cap=2 * riders)
    places = [sale.trip_id, *await more_trips(pool, sale, trips - 1)]
    numbers = counting()

    async def make(count: int) -> list[bytes]:
        made = []
        for number in (next(numbers) for _ in range(count)):  # in each round a rider is at the next trip
            trip_id = places[(number + number // riders) % trips]
            made.append(pledge_bytes(port, trip_id, sale.stop_id, rider=number % riders, key=f"many-{sale.trip_id}-{number}"))
        return made

    return pledging(f"pledges, {trips} trips", pool, make)


def pledging(name: str, pool: Pool, make: object) -> Load:
    """A load of pledges: every 201 is a row."""

    async def kept() -> int:
        return int(await pool.fetchval("SELECT count(*) FROM pledges"))

    return Load(
        name=name, budget=PLEDGE, make=make, marker='"manage_token"', kept=kept, acknowledged=lambda seen: seen.statuses.get("201", 0)  # type: ignore[arg-type]
    )  # fmt: skip


async def more_trips(pool: Pool, sale: Sale, number: int) -> list[UUID]:
    """More trips of the same event with the same stops and terms, on sale."""
    async with transaction(pool) as conn:
        rows = await conn.fetch(
            """
            INSERT INTO trips (public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, minimum, cap, deadline_at)
            SELECT public_code || n, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, minimum, cap, deadline_at
            FROM trips, generate_series(1, $2::int) n WHERE id = $1 RETURNING id
            """,
            sale.trip_id,
            number,
        )
        ids = [row["id"] for row in rows]
        await conn.execute(
            """
            INSERT INTO trip_stops (trip_id, stop_id, event_id)
            SELECT new.id, stop_id, event_id FROM trip_stops, unnest($2::uuid[]) AS new (id) WHERE trip_id = $1
            """,
            sale.trip_id,
            ids,
        )
        await conn.execute("UPDATE trips SET state = 'open', opened_at = busload_now() WHERE id = ANY($1::uuid[])", ids)
    return ids


async def ask_for_links(pool: Pool, port: int) -> Load:
    """People ask for a sign-in link, each with an address of their own and a form token, as a browser has it."""
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", trust_env=False) as http:
        answer = await http.get("/sign-in")
    cookie = SimpleCookie(answer.headers["set-cookie"])["busload_csrf"].value
    headers = {"Cookie": f"busload_csrf={cookie}", "x-csrf-token": cookie}
    numbers = counting()

    async def make(count: int) -> list[bytes]:
        these = [next(numbers) for _ in range(count)]
        return [form("/sign-in", f"email=link-{n}%40bench.example&next=%2F", port=port, number=n, headers=headers) for n in these]

    async def kept() -> int:
        return int(await pool.fetchval("SELECT count(*) FROM mails WHERE template = 'sign_in'"))

    return Load(
        name="sign-in links", budget=PAGE, make=make, marker="bench.example", kept=kept,
        acknowledged=lambda seen: seen.statuses.get("200", 0),
    )  # fmt: skip


async def read_widget(pool: Pool, port: int) -> Load:
    """Visitors of a partner's page: the loader, and the data of an event that has a few trips."""
    sale = await hot_trip(pool, minimum=50, cap=500)
    await more_trips(pool, sale, 4)
    partner = Partner(id=new_id(), public_code=public_code(), name="Lakeshore FC", site_url=ORIGIN, email="web@partner.example")
    async with transaction(pool) as conn:
        await add_partner(conn, partner)
        code = await conn.fetchval("UPDATE events SET partner_id = $2 WHERE id = $1 RETURNING public_code", sale.event_id, partner.id)
    key = await create_key(pool, partner_id=partner.id, origins=[ORIGIN], actor="organiser")
    paths = (f"/w/events/{code}.json?key={key.public_key}", f"/w/{VERSION}.js")
    reads = [ask("GET", paths[n % 2], port=port, number=n, headers={"Origin": ORIGIN}) for n in range(READERS)]

    async def make(count: int) -> list[bytes]:
        return cycled(reads, min(count, READERS))

    return Load(name="widget", budget=PAGE, make=make, again=True)
