"""A service with something of everybody's in it, and a client for everybody who might want to look."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import msgspec

from app.core.database import Connection, Pool
from app.core.ids import derived_token, new_id, public_code, random_token, token_hash
from app.domain.accounts.model import ErasureState, Role
from app.domain.accounts.store import add_session, find_or_add_account
from app.domain.events.store import lock_event
from app.domain.partners.model import Partner
from app.domain.partners.store import add_partner
from app.domain.payments import ledger
from app.domain.payments.receipt_store import issue_receipt
from app.domain.pledges.model import TransferState
from app.domain.pledges.transfer_store import add_transfer, settle_transfer
from app.domain.pledges.waitlist_store import add_waiting
from app.flows.issue_manifests import issue_manifests_within
from app.flows.owe_duty import owe_duty_within
from app.flows.personal_data import token_of
from app.flows.personal_data_store import add_erasure
from tests.support.service import SECRET, Service, signed_in
from tests.support.travel_world import add_duty, add_party, assign_driver, build_world, manage_token

EVE, SITE = "Eve Evesdropper", "https://hush.example"
ADA, NEEDS, PLATE, DRIVER = "Ada Secretive", "Oxygen on board", "HUSH 1", "Drusilla Quiet"


class House(msgspec.Struct, frozen=True, kw_only=True):
    """Clients by role; `paths` fills a route's parameters with what is rider A's, operator A's and partner A's.

    `tokens` opens links by the first part of their route; `told` is what nobody else may read.
    """

    service: Service
    clients: dict[str, httpx.AsyncClient]
    paths: dict[str, str]
    tokens: dict[str, str]
    told: tuple[str, ...]


@asynccontextmanager
async def open_house(service: Service) -> AsyncIterator[House]:
    """Two of everybody; the first of each owns what the routes are about."""
    pool = service.pool
    async with pool.acquire() as conn:
        world = await build_world(conn)
        ada = await add_party(conn, world, name=ADA, needs=NEEDS)
        eve = await add_party(conn, world, name=EVE)
        duty = await add_duty(conn, world, [ada], plate=PLATE)
        other = await add_duty(conn, world, [eve], plate="BUS 2")
        drivers = [await assign_driver(conn, world, duty, name=DRIVER), await assign_driver(conn, world, other, name="Otto Other")]
        await issue_manifests_within(conn, world.event_id, cause="test")
        await issue_receipt(conn, ada)
        await conn.execute("UPDATE trips SET secured = 2 WHERE id = $1", world.trip_id)  # what the parties above amount to
        event = await lock_event(conn, world.event_id)
        assert event is not None
        await owe_duty_within(conn, event, duty)
        rival = await _rival(conn)
        payer_token = await _passed_on(conn, ada)
        taken = new_id()
        taker_token = derived_token(SECRET, "transfer", taken)
        await add_transfer(
            conn, transfer_id=taken, pledge_id=ada, from_name=ADA, from_email="ada@wait.example", to_name="Theo",
            to_email="theo@wait.example", to_email_normalised="theo@wait.example",
            token_hash=token_hash(taker_token), expires_at=datetime(2100, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        entry = new_id()
        waiting_token = derived_token(SECRET, "waitlist", entry)
        await add_waiting(
            conn, entry_id=entry, trip_id=world.trip_id, event_id=world.event_id, stop_id=world.stops["chicago"], name=ADA,
            email="wanda@wait.example", email_normalised="wanda@wait.example", locale="en", seats=2, wheelchairs=0,
            legs=("outbound", "return"), token_hash=token_hash(waiting_token),
        )  # fmt: skip
        facts = await conn.fetchrow(
            "SELECT t.public_code AS trip, e.public_code AS event, o.id AS offer_id, o.vehicle_id, p.public_code AS pledge, p.email "
            "FROM offers o JOIN pledges p ON p.id = $2 JOIN trips t ON t.id = p.trip_id JOIN events e ON e.id = p.event_id "
            "WHERE o.duty_id = $1",
            duty,
            ada,
        )
        assert facts is not None
        offer_token = derived_token(SECRET, "offer", facts["offer_id"])
        await conn.execute("UPDATE offers SET token_hash = $2 WHERE id = $1", facts["offer_id"], token_hash(offer_token))
        contested = await _contested(conn, ada, f"event:{world.event_id}")
    partner, partner_token = await _partner(pool, "A")
    bearers = {
        "rider A": manage_token(ada),
        "rider B": manage_token(eve),
        "rider": await _rider(pool, f"{eve.hex}@rider.example"),
        "operator A": await signed_in(pool, "a@coaches.example", Role.OPERATOR, operator_id=world.operator_id),
        "operator B": await signed_in(pool, "b@coaches.example", Role.OPERATOR, operator_id=rival),
        "waiting A": waiting_token,
        "taker A": taker_token,
        "driver A": drivers[0][1],
        "driver B": drivers[1][1],
        "partner A": partner_token,
        "partner B": (await _partner(pool, "B"))[1],
    }
    base = str(service.http.base_url)
    async with AsyncExitStack() as closing:
        clients = {"anonymous": service.http, "organiser": service.organiser}
        for role, token in bearers.items():
            client = httpx.AsyncClient(base_url=base, trust_env=False, timeout=30, headers={"Authorization": f"Bearer {token}"})
            clients[role] = await closing.enter_async_context(client)
        for client in clients.values():  # a form's token, so that a refusal is about who asks
            await client.get("/sign-in/none")
            client.headers["x-csrf-token"] = client.cookies["busload_csrf"]
        owned = await _made_by_owners(service, clients, partner, facts["vehicle_id"])
        yield House(
            service=service,
            clients=clients,
            paths={
                "event_id": str(world.event_id),
                "trip_id": str(world.trip_id),
                "stop_id": str(world.stops["chicago"]),
                "pledge_id": str(ada),
                "offer_id": str(facts["offer_id"]),
                "duty_id": str(duty),
                "duty": await pool.fetchval("SELECT public_code FROM duties WHERE id = $1", duty),
                "vehicle_id": str(facts["vehicle_id"]),
                "driver_id": str(drivers[0][0]),
                "depot_id": str(world.depot_id),
                "operator_id": str(world.operator_id),
                "/e/": facts["event"],
                "/trips/": facts["trip"],
                "/organiser/events/": facts["event"],
                "/organiser/trips/": facts["trip"],
                **contested,
                "table": "trips.csv",
                **await _account_of(pool, f"{eve.hex}@rider.example"),
                **owned,
            },
            tokens={
                "/d/": drivers[0][1],
                "/p/": manage_token(ada),
                "/t/": f"{facts['pledge']}-{derived_token(SECRET, 'pass', ada)}",
                "/operator/offer/": offer_token,
                "/erase/": await _wish(pool),
                "/waitlist/": waiting_token,
                "/transfer/": taker_token,
                "/receipts/": payer_token,
            },
            told=(
                ADA,
                "wanda@wait.example",
                NEEDS,
                PLATE,
                DRIVER,
                facts["email"],
                owned["public_key"],
                owned["secret"],
                str(facts["offer_id"]),
                "hush.example",
            ),
        )


async def _passed_on(conn: Connection, pledge_id: UUID) -> str:
    """The receipt link of somebody who had the seats before and whose card paid for them."""
    passed = new_id()
    payer_token = derived_token(SECRET, "payer_receipt", passed)
    await add_transfer(
        conn, transfer_id=passed, pledge_id=pledge_id, from_name=ADA, from_email="payer@wait.example", to_name=ADA,
        to_email="ada@wait.example", to_email_normalised="ada@wait.example", token_hash=token_hash(random_token()),
        expires_at=datetime(2100, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    await settle_transfer(conn, passed, go_to=TransferState.ACCEPTED, payer_token_hash=token_hash(payer_token))
    await conn.execute("UPDATE transfers SET card_ref = 'pm_1' WHERE id = $1", passed)
    return payer_token


async def _contested(conn: Connection, pledge_id: UUID, book: str) -> dict[str, str]:
    """A charge of this pledge that its bank contests, a refund that failed, and the charge's movement."""
    payment_id, refund_id, dispute_id = new_id(), new_id(), new_id()
    await conn.execute(
        """
        INSERT INTO payments (id, reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref,
            intent_ref, charge_ref, collect_until)
        VALUES ($1, $2, 'fare', $3, 5000, 'USD', 'A seat', 'due', 'cus_1', 'pm_1', 'pi_hush', 'ch_hush', busload_now())
        """,
        payment_id,
        pledge_id,
        book,
    )
    await conn.execute("UPDATE payments SET state = 'submitting', attempts = 1, submitted_at = busload_now() WHERE id = $1", payment_id)
    await conn.execute("UPDATE payments SET state = 'succeeded', settled_at = busload_now() WHERE id = $1", payment_id)
    await conn.execute(
        "INSERT INTO refunds (id, payment_id, reason, amount_minor, currency, state) VALUES ($1, $2, 'ladder', 1, 'USD', 'due')",
        refund_id,
        payment_id,
    )
    await conn.execute("UPDATE refunds SET state = 'submitting', submitted_at = busload_now() WHERE id = $1", refund_id)
    await conn.execute("UPDATE refunds SET state = 'failed', settled_at = busload_now() WHERE id = $1", refund_id)
    await conn.execute(
        """
        INSERT INTO disputes (id, payment_id, dispute_ref, charge_ref, amount_minor, currency, reason, state)
        VALUES ($1, $2, 'du_hush', 'ch_hush', 5000, 'USD', 'fraudulent', 'open')
        """,
        dispute_id,
        payment_id,
    )
    await ledger.post(
        conn, kind="charge", cause=payment_id, book=book, currency="USD", entries=[(ledger.CLEARING, 5000), (ledger.FARES, -5000)],
        external_ref="ch_hush",
    )  # fmt: skip
    moved = await conn.fetchval("SELECT id FROM ledger_transactions WHERE cause = $1", payment_id)
    return {"refund_id": str(refund_id), "dispute_id": str(dispute_id), "transaction_id": str(moved)}


async def _rider(pool: Pool, email: str) -> str:
    token = random_token()
    async with pool.acquire() as conn:
        account = await find_or_add_account(conn, email)
        await add_session(conn, account_id=account.id, token_hash=token_hash(token), expires_at=datetime(2100, 1, 1, tzinfo=UTC))
    return token


async def _wish(pool: Pool) -> str:
    """The token of somebody's wish to be forgotten."""
    async with pool.acquire() as conn:
        wish = await add_erasure(
            conn, email=f"{ADA[:3]}@gone.example", asked_by="account", state=ErasureState.ASKED, link_lifetime=timedelta(days=1)
        )
    return token_of(SECRET, wish.id)


async def _account_of(pool: Pool, email: str) -> dict[str, str]:
    """A passkey and another session of this account."""
    async with pool.acquire() as conn:
        account = await find_or_add_account(conn, email)
        passkey_id = await conn.fetchval(
            "INSERT INTO passkeys (account_id, credential_id, public_key, name, is_synced) VALUES ($1, $2, $3, 'Phone', true) RETURNING id",
            account.id,
            account.id.bytes,
            b"none",
        )
        session_id = await conn.fetchval(
            "INSERT INTO sessions (account_id, token_hash, expires_at) VALUES ($1, $2, '2100-01-01') RETURNING id",
            account.id,
            token_hash(random_token()),
        )
    return {"passkey_id": str(passkey_id), "session_id": str(session_id)}


async def _rival(conn: Connection) -> UUID:
    operator_id = new_id()
    await conn.execute(
        """
        INSERT INTO operators (id, public_code, name, country, email, phone, licence_number, licence_expires_on, insurance_expires_on)
        VALUES ($1, $2, 'Rival Coaches', 'US', 'rival@coaches.example', '+1 312 555 0112', 'USDOT 7654321', '2099-01-01', '2099-01-01')
        """,
        operator_id,
        public_code(),
    )
    return operator_id


async def _partner(pool: Pool, letter: str) -> tuple[Partner, str]:
    partner = Partner(id=new_id(), public_code=public_code(), name=f"Club {letter}", site_url=SITE, email="desk@hush.example")
    async with pool.acquire() as conn:
        await add_partner(conn, partner)
    return partner, await signed_in(pool, f"{letter}@club.example", Role.PARTNER, partner_id=partner.id)


async def _made_by_owners(service: Service, clients: dict[str, httpx.AsyncClient], partner: Partner, vehicle_id: UUID) -> dict[str, str]:
    """What operator A and partner A have entered themselves."""
    event = await service.event(partner_id=str(partner.id))
    desk, company = clients["partner A"], clients["operator A"]
    await service.pool.execute(
        """
        INSERT INTO books (book, event_id, partner_id, currency, kept_minor, fee_minor, share_minor, closes_at)
        VALUES ('event:' || $1::uuid, $1, $2, 'USD', 0, 0, 0, busload_now())
        """,
        UUID(event["id"]),
        partner.id,
    )
    key = (await desk.post("/api/partner/keys", json={"origins": [SITE]})).json()
    added = (await desk.post("/api/partner/webhooks", json={"url": "http://127.0.0.1:1/hush"})).json()
    endpoint_id = added["endpoint"]["id"]
    sent = (await desk.post(f"/api/partner/webhooks/{endpoint_id}/test")).json()
    span = {"kind": "blocked", "starts_at": "2031-01-01T00:00:00Z", "ends_at": "2031-01-02T00:00:00Z"}
    entered = (await company.post(f"/api/operator/vehicles/{vehicle_id}/availability", json=span)).json()
    return {
        "key_id": key["id"],
        "endpoint_id": endpoint_id,
        "delivery_id": sent["delivery_id"],
        "span_id": entered["id"],
        "event": event["code"],
        "/partner/": partner.public_code,
        "public_key": key["key"],
        "secret": added["secret"],
        "partner_id": str(partner.id),
    }
