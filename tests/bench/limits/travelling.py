"""Five in the morning: the drivers' phones fetch their manifests and sync the people they have checked in."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from app.core.database import Connection, Pool, transaction
from app.core.ids import public_code
from app.domain.manifests.passes import claims_of, sign_pass, signing_key
from app.domain.manifests.store import read_duty_passes
from app.flows.issue_manifests import issue_manifests_within
from tests.bench.limits.requests import ask
from tests.bench.limits.stepping import Budget, Load
from tests.support.threshold import SECRET
from tests.support.travel_world import World, add_duty, allocate, assign_driver, build_world

PEOPLE = 40  # of a bus
AT_A_STOP = 5  # whom a phone sends at once
KEPT = ('"status":"accepted"', '"status":"conflict"')
SYNC = Budget(p99_ms=300, stated="a scan")


async def check_in_at_dawn(pool: Pool, port: int, *, buses: int) -> Load:
    """The manifest, then the people in batches; after the last all are scanned again: kept, and said to be second scans."""
    phones = await fill_buses(pool, buses)

    async def make(count: int) -> list[bytes]:
        sent: list[bytes] = []
        while len(sent) < count:
            rounds = [phone_requests(port, number, token, passes) for number, (token, passes) in enumerate(phones)]
            sent += [request for moment in zip(*rounds, strict=True) for request in moment]  # all phones are at the same stop
        return sent[:count]

    async def kept() -> int:
        return int(await pool.fetchval("SELECT count(*) FROM check_ins"))

    return Load(
        name="phones at dawn", budget=SYNC, make=make, tally=list(KEPT), kept=kept,
        acknowledged=lambda seen: sum(seen.tallies.get(one, 0) for one in KEPT),
    )  # fmt: skip


def phone_requests(port: int, number: int, token: str, passes: list[str]) -> list[bytes]:
    """What one phone sends."""
    headers = {"Authorization": f"Bearer {token}"}
    made = [ask("GET", "/api/driver/manifest", port=port, number=number, headers=headers)]
    for begin in range(0, len(passes), AT_A_STOP):
        seen_at = datetime.now(UTC).isoformat()
        check_ins = [{"id": str(uuid4()), "checked_at": seen_at, "pass": one} for one in passes[begin : begin + AT_A_STOP]]
        body = {"check_ins": check_ins}
        made.append(ask("POST", "/api/driver/check-ins", port=port, number=number, body=body, headers=headers))
    return made


async def fill_buses(pool: Pool, buses: int) -> list[tuple[str, list[str]]]:
    """So many full buses of one event on their way -> for each its driver's token and the outbound passes."""
    key = signing_key(SECRET)
    async with transaction(pool) as conn:
        world = await build_world(conn)
        duties, tokens = [], []
        for number in range(buses):
            duty = await add_duty(conn, world, await add_people(conn, world), plate=f"BUS {number}")
            duties.append(duty)
            tokens.append((await assign_driver(conn, world, duty))[1])
        await allocate(conn, world)
        await issue_manifests_within(conn, world.event_id, cause="bench")
        issued = [await read_duty_passes(conn, duty) for duty in duties]
    await pool.execute("VACUUM ANALYZE boarding_passes, manifest_people, pledges, duties, duty_parties")
    return [
        (token, [sign_pass(key, claims_of(one)) for one in passes if one.leg == "outbound"])
        for token, passes in zip(tokens, issued, strict=True)
    ]  # fmt: skip


async def add_people(conn: Connection, world: World) -> list[UUID]:
    """A bus full of paid parties of one, all from one stop."""
    rows = await conn.fetch(
        """
        INSERT INTO pledges (public_code, trip_id, event_id, stop_id, name, email, email_normalised, seats, wheelchairs, legs, price_minor,
            amount_minor, currency, terms_version, terms_shown_at, state, manage_token_hash, customer_ref, payment_method_ref)
        SELECT $1 || n, $2, $3, $4, 'Ada Lovelace', $1 || n || '@rider.example', lower($1) || n || '@rider.example', 1, 0,
            '{outbound,return}', 8900, 8900, 'USD', '2026-11', busload_now(), 'confirmed', sha256(convert_to($1 || n, 'UTF8')),
            'cus_1', 'pm_1'
        FROM generate_series(1, $5::int) n RETURNING id
        """,
        public_code(),
        world.trip_id,
        world.event_id,
        world.stops["chicago"],
        PEOPLE,
    )
    ids = [row["id"] for row in rows]
    await conn.execute("UPDATE pledges SET state = 'paid' WHERE id = ANY($1::uuid[])", ids)
    return ids
