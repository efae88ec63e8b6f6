"""A healthy world with everything an invariant looks at: a trip on the road, a cancelled one paid back, one still open."""

from datetime import timedelta
from uuid import UUID

import pytest_asyncio

from app.core.database import Connection
from app.core.ids import new_id, public_code, token_hash
from app.core.timers import set_timer
from app.domain.payments import ledger
from app.flows.issue_manifests import issue_manifests_within
from tests.support.travel_world import World, add_duty, add_party, add_trip, allocate, assign_driver, build_world


async def charge(conn: Connection, world: World, pledge_id: UUID) -> UUID:
    """The pledge's fare went through and is posted."""
    payment_id = new_id()
    await conn.execute(
        """
        INSERT INTO payments (id, reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref,
            intent_ref, collect_until)
        SELECT $1, g.id, 'fare', 'event:' || g.event_id, g.amount_minor, g.currency, 'a fare', 'due', 'cus_1', 'pm_1', 'pi_' || g.id,
            busload_now()
        FROM pledges g WHERE g.id = $2
        """,
        payment_id,
        pledge_id,
    )
    await conn.execute("UPDATE payments SET state = 'submitting', attempts = 1, submitted_at = busload_now() WHERE id = $1", payment_id)
    await conn.execute("UPDATE payments SET state = 'succeeded', settled_at = busload_now() WHERE id = $1", payment_id)
    amount_minor = await conn.fetchval("SELECT amount_minor FROM payments WHERE id = $1", payment_id)
    await post(conn, world, "charge", payment_id, amount_minor)
    return payment_id


async def post(conn: Connection, world: World, kind: str, cause: UUID, amount_minor: int) -> None:
    """A movement between Stripe and the riders' fares."""
    await ledger.post(
        conn,
        kind=kind,
        cause=cause,
        book=f"event:{world.event_id}",
        currency="USD",
        external_ref=None,
        entries=[(ledger.CLEARING, amount_minor), (ledger.FARES, -amount_minor)],
    )


async def pay_back(conn: Connection, world: World, payment_id: UUID) -> None:
    """The whole charge went back and is posted."""
    refund_id = new_id()
    amount_minor = await conn.fetchval("SELECT amount_minor FROM payments WHERE id = $1", payment_id)
    await conn.execute(
        "INSERT INTO refunds (id, payment_id, reason, amount_minor, currency, state) VALUES ($1, $2, 'cancellation', $3, 'USD', 'due')",
        refund_id,
        payment_id,
        amount_minor,
    )
    await conn.execute("UPDATE refunds SET state = 'submitting', submitted_at = busload_now() WHERE id = $1", refund_id)
    await conn.execute("UPDATE refunds SET state = 'succeeded', settled_at = busload_now() WHERE id = $1", refund_id)
    await post(conn, world, "refund", refund_id, -amount_minor)


async def add_open_trip(conn: Connection, world: World) -> None:
    """A trip still on sale with seats held for a card."""
    trip_id, pledge_id = new_id(), new_id()
    await conn.execute(
        """
        INSERT INTO trips (id, public_code, event_id, origin, origin_lat, origin_lon, zone, price_both_minor, minimum, cap, deadline_at)
        VALUES ($1, $2, $3, 'Baltimore', 39.29, -76.61, 'America/New_York', 3900, 20, 100, busload_now() + interval '1 hour')
        """,
        trip_id,
        public_code(),
        world.event_id,
    )
    await conn.execute("UPDATE trips SET state = 'open', opened_at = busload_now(), held = 3 WHERE id = $1", trip_id)
    await conn.execute(
        """
        INSERT INTO pledges (id, public_code, trip_id, event_id, stop_id, name, email, email_normalised, seats, wheelchairs, legs,
            price_minor, amount_minor, currency, terms_version, terms_shown_at, state, manage_token_hash, hold_expires_at)
        VALUES ($1, $2, $3, $4, $5, 'Grace Hopper', 'grace@rider.example', 'grace@rider.example', 3, 0, '{outbound,return}',
            3900, 11700, 'USD', '2026-11', busload_now(), 'pending_card', $6, busload_now() + interval '15 minutes')
        """,
        pledge_id,
        public_code(),
        trip_id,
        world.event_id,
        world.stops["chicago"],
        token_hash(str(pledge_id)),
    )
    now = await conn.fetchval("SELECT busload_now()")
    await set_timer(conn, "trip_deadline", trip_id, now + timedelta(hours=1))
    await set_timer(conn, "pledge_hold", pledge_id, now + timedelta(minutes=15))
    await conn.execute(
        "INSERT INTO idempotency_keys (scope, key, body_hash, effect_id) VALUES ('pledge:' || $1::uuid, 'key-1', 'x', $2)",
        trip_id,
        pledge_id,
    )


async def add_cancelled_trip(conn: Connection, world: World) -> None:
    """A trip that ran far enough to charge, was cancelled, and paid everything back."""
    trip_id = await add_trip(conn, world.event_id, list(world.stops.values()), deadline_at=world.starts_at + timedelta(days=2))
    pledge_id = await add_party(conn, world, trip_id=trip_id, name="Katherine Johnson")
    payment_id = await charge(conn, world, pledge_id)
    await conn.execute("UPDATE trips SET state = 'cancelled', secured = 0 WHERE id = $1", trip_id)
    await conn.execute("UPDATE pledges SET state = 'refunded' WHERE id = $1", pledge_id)
    await pay_back(conn, world, payment_id)


@pytest_asyncio.fixture
async def world(conn: Connection) -> World:
    world = await build_world(conn)
    account_id = await conn.fetchval("INSERT INTO accounts (email, name) VALUES ('ada@rider.example', 'Ada Lovelace') RETURNING id")
    pledge_id = await add_party(conn, world, seats=2)
    await conn.execute("UPDATE pledges SET account_id = $2 WHERE id = $1", pledge_id, account_id)
    await conn.execute("UPDATE trips SET secured = 2 WHERE id = $1", world.trip_id)
    await charge(conn, world, pledge_id)
    duty_id = await add_duty(conn, world, [pledge_id])
    await assign_driver(conn, world, duty_id)
    await allocate(conn, world)
    await issue_manifests_within(conn, world.event_id, cause="allocated")
    await conn.execute(
        """
        INSERT INTO check_ins (id, pledge_id, person, leg, duty_id, method, checked_at)
        VALUES (uuidv7(), $1, 1, 'outbound', $2, 'name', busload_now())
        """,
        pledge_id,
        duty_id,
    )
    await add_cancelled_trip(conn, world)
    await add_open_trip(conn, world)
    await conn.execute("SET CONSTRAINTS ALL IMMEDIATE")  # nothing stays pending, so that a test may alter tables
    return world
