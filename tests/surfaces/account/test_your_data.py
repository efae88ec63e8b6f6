"""What is held about one is told; being forgotten reaches every table, waits for money and journeys, and moves no balance."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.core.errors import NotFound
from app.flows.invariants import find_violations
from app.flows.personal_data import erase_by_hand
from app.flows.personal_data_store import find_needs, find_person
from app.flows.retention import keep_retention
from tests.support.fake_stripe import API_KEY
from tests.support.server import connect
from tests.support.service import ARRIVE, Service
from tests.surfaces.account.conftest import Visitors

HELD_BY_LAW = {"legal_retention"}


async def tables_that_name(shop: Service, text: str) -> set[str]:
    """Every table with a row that holds a text, whatever its columns."""
    async with shop.pool.acquire() as conn:
        tables = [row["relname"] for row in await conn.fetch("SELECT relname FROM pg_stat_user_tables ORDER BY relname")]
        return {
            table for table in tables if await conn.fetchval(f'SELECT EXISTS (SELECT FROM "{table}" t WHERE t::text ILIKE $1)', f"%{text}%")
        }


async def balances(shop: Service) -> Any:
    async with shop.pool.acquire() as conn:
        rows = await conn.fetch("SELECT account, book, currency, sum(amount_minor) FROM ledger_entries GROUP BY 1, 2, 3 ORDER BY 1, 2, 3")
        counts = await conn.fetch("SELECT id, state, secured, held FROM trips ORDER BY id")
        return [tuple(row) for row in rows], [tuple(row) for row in counts]


async def broken(shop: Service) -> set[str]:
    async with shop.pool.acquire() as conn:
        return set(await find_violations(conn))


async def paid(shop: Service, **of: Any) -> dict[str, Any]:
    """A pledge on a confirmed trip, charged."""
    trip = await shop.trip(await shop.event(), minimum=1)
    placed = await shop.pledged(trip, **of)
    await shop.work("charge_payment")
    assert (await shop.show(placed))["state"] == "paid"
    return placed


async def mailed_wish(shop: Service, email: str) -> str:
    await shop.work("send_mail")
    message = next(m for m in reversed(shop.postbox.messages) if m["To"] == email and m["Subject"] == "Confirm that we shall forget you")
    path: str = message.get_body(("plain",)).get_content().split("/erase/", 1)[1].split()[0]
    return f"/erase/{path}"


async def test_a_rider_is_told_everything_and_forgotten_when_nothing_needs_it(shop: Service, visitors: Visitors) -> None:
    ada, email = visitors(), "Ada.Secretive@example.org"
    await ada.signed_in(email)
    await ada.makes_passkey("Adas phone")
    placed = await paid(shop, email=email, name="Ada Secretive", phone="+1 555 7337", needs="Oxygen", seats=2)
    await shop.work()
    other = await paid(shop, email="bob@example.org", name="Bob Discreet")

    told = await ada.http.get("/account/export.json")
    assert told.headers["content-disposition"].startswith("attachment")
    (pledge,) = told.json()["pledges"]
    assert (pledge["name"], pledge["needs"], pledge["payments"][0]["state"]) == ("Ada Secretive", "Oxygen", "succeeded")
    assert told.json()["accounts"][0]["passkeys"][0]["name"] == "Adas phone"
    assert {mail["template"] for mail in told.json()["mails"]} >= {"sign_in", "pledge_placed", "trip_confirmed"}
    assert "Bob Discreet" not in told.text
    assert placed["manage_token"] not in told.text

    before, faults = await balances(shop), await broken(shop)
    assert (await ada.post("/account/erase")).status_code == 200
    wish = await mailed_wish(shop, email)
    shown = await shop.http.get(wish, headers={"accept": "text/html"})
    assert "is about to travel" in shown.text
    assert "3 June 2030" in shown.text, "two days after the event"
    waits = await ada.post(wish)
    assert "done by itself" in waits.text
    assert (await keep_retention(shop.pool))["persons"] == 0
    assert "pledges" in await tables_that_name(shop, "Ada Secretive")

    await shop.jump(ARRIVE - (await now_of(shop)) + timedelta(days=4))
    assert (await keep_retention(shop.pool))["persons"] == 1
    await shop.work("send_mail", "forget_customer")
    assert shop.postbox.messages[-1]["Subject"] == "Your data is erased"
    await keep_retention(shop.pool)
    for secret in ("Ada Secretive", email, "555 7337", "Oxygen", "Adas phone"):
        assert await tables_that_name(shop, secret) <= HELD_BY_LAW, secret
    assert await tables_that_name(shop, "Ada Secretive") == HELD_BY_LAW
    assert await balances(shop) == before
    assert not {name for name in await broken(shop) - faults if name.startswith(("I01", "I03", "I04", "I05", "I06", "I12", "I15"))}
    assert "pledges" in await tables_that_name(shop, "Bob Discreet")
    assert (await customer_of(shop, placed)).get("deleted"), "the provider has forgotten her too"
    assert not (await customer_of(shop, other)).get("deleted")

    assert (await shop.http.get("/account", headers={"Authorization": f"Bearer {ada.http.cookies['busload_session']}"})).status_code == 401
    assert (await shop.http.get(f"/p/{placed['manage_token']}")).status_code == 404
    assert (await ada.signs_in()).status_code == 401
    await shop.jump(timedelta(0))
    assert (await shop.show(other))["name"] == "Bob Discreet"


async def customer_of(shop: Service, placed: dict[str, Any]) -> dict[str, Any]:
    """The pledge's customer as the payment provider shows it."""
    async with shop.pool.acquire() as conn:
        customer = await conn.fetchval("SELECT customer_ref FROM pledges WHERE id = $1", placed["pledge"]["id"])
    async with httpx.AsyncClient(trust_env=False, auth=(API_KEY, "")) as http:
        found: dict[str, Any] = (await http.get(f"{shop.stripe.url}/v1/customers/{customer}")).json()
    return found


async def now_of(shop: Service) -> Any:
    async with shop.pool.acquire() as conn:
        return await conn.fetchval("SELECT busload_now()")


async def test_looking_erases_nothing_and_a_forged_or_old_link_opens_nothing(shop: Service, visitors: Visitors) -> None:
    ada = visitors()
    await ada.signed_in("looker@example.org")
    await ada.post("/account/erase")
    wish = await mailed_wish(shop, "looker@example.org")
    for _ in range(2):
        assert "Erase everything about me" in (await shop.http.get(wish, headers={"accept": "text/html"})).text
    assert "accounts" in await tables_that_name(shop, "looker@example.org")
    named, _, proof = wish.removeprefix("/erase/").partition(".")
    for forged in (f"{named}.{proof[:-1]}", f"{uuid4()}.{proof}", named, "x", f"{named}.ünïcode"):
        assert (await ada.post(f"/erase/{forged}")).status_code == 404, forged
    await shop.jump(timedelta(hours=25))
    assert (await ada.post(wish)).status_code == 410
    await keep_retention(shop.pool)
    async with shop.pool.acquire() as conn:
        assert await conn.fetchval("SELECT count(*) FROM erasures WHERE email = 'looker@example.org'") == 0, "an old wish keeps no address"


async def test_a_link_holder_may_have_one_pledge_told_and_its_owner_asked(shop: Service, visitors: Visitors) -> None:
    trip = await shop.trip(await shop.event())
    mine = await shop.pledged(trip, email="both@example.net", name="Carol Once")
    await shop.pledged(await shop.trip(await shop.event()), email="both@example.net", name="Carol Twice")
    told = await shop.http.get(f"/p/{mine['manage_token']}/export.json")
    assert [pledge["name"] for pledge in told.json()["pledges"]] == ["Carol Once"]
    carol = visitors()
    assert (await carol.post(f"/p/{mine['manage_token']}/erase")).status_code == 200
    wish = await mailed_wish(shop, "both@example.net")
    answer = await carol.post(wish)
    assert "Withdraw it (free of charge)" in answer.text
    assert "done by itself" in answer.text


async def test_who_was_never_charged_is_forgotten_at_once(shop: Service, visitors: Visitors) -> None:
    placed = await shop.pledged(await shop.trip(await shop.event()), email="dan@example.net", name="Dan Gone")
    bearer = {"Authorization": f"Bearer {placed['manage_token']}"}
    assert (await shop.http.post(f"/api/pledges/{placed['pledge']['id']}/withdraw", headers=bearer)).status_code == 200
    await shop.work()
    standing = await erase_by_hand(shop.pool, email="dan@example.net")
    assert standing.is_done
    await shop.work()
    await keep_retention(shop.pool)
    assert await tables_that_name(shop, "dan@example.net") == set()
    assert await tables_that_name(shop, "Dan Gone") == set(), "nothing charged, nothing for the law"
    with pytest.raises(NotFound):
        await erase_by_hand(shop.pool, email="nobody@example.net")


@pytest.mark.parametrize(
    ("kind", "script"),
    [
        ("payment", "UPDATE payments SET state = 'submitting' WHERE reference = $1"),
        ("dispute", "UPDATE payments SET state = 'disputed' WHERE reference = $1"),
        (
            "refund",
            """
            INSERT INTO refunds (payment_id, reason, amount_minor, currency, state)
            SELECT id, 'ladder', 1, currency, 'due' FROM payments WHERE reference = $1
            """,
        ),
    ],
)
async def test_money_under_way_needs_its_rider(shop: Service, kind: str, script: str) -> None:
    placed = await paid(shop, email=f"{kind}@example.net")
    conn = await connect(shop.settings.database_url)
    rolled_back = conn.transaction()
    await rolled_back.start()
    await conn.execute("SET LOCAL session_replication_role = replica")
    await conn.execute(script, placed["pledge"]["id"])
    needs = await find_needs(conn, await find_person(conn, f"{kind}@example.net"), after_event=timedelta(days=-10_000))
    await rolled_back.rollback()
    await conn.close()
    assert [need.kind for need in needs] == [kind]


OLD_ROWS = """
INSERT INTO sign_in_links (token_hash, email, browser_hash, expires_at) VALUES
    ('old', 'o@x.example', 'b', busload_now() - interval '2 days'),
    ('new', 'o@x.example', 'b', busload_now());
INSERT INTO passkey_challenges VALUES ('old', 'b', NULL, busload_now() - interval '2 days'), ('new', 'b', NULL, busload_now());
INSERT INTO rate_counters VALUES ('old', 'w', busload_now() - interval '2 days', 1), ('new', 'w', busload_now(), 1);
INSERT INTO stripe_events (id, type, object_ref, created_at, settled_at) VALUES
    ('evt_old', 'x', 'y', busload_now() - interval '100 days', busload_now() - interval '100 days'),
    ('evt_new', 'x', 'y', busload_now(), busload_now());
INSERT INTO mails (dedupe_key, recipient, template, data, sent_at) VALUES
    ('old', 'old-mail@x.example', 'x', '{"name": "Old"}', busload_now() - interval '200 days'),
    ('new', 'new-mail@x.example', 'x', '{"name": "New"}', busload_now() - interval '100 days');
"""


async def test_what_is_old_is_forgotten_and_what_is_new_is_not(shop: Service) -> None:
    async with shop.pool.acquire() as conn:
        await conn.execute(OLD_ROWS)
    done = await keep_retention(shop.pool)
    assert {kind: done[kind] for kind in ("challenges", "counters", "stripe_events")} == {
        "challenges": 1,
        "counters": 1,
        "stripe_events": 1,
    }
    assert done["sign_in_links"] >= 1
    async with shop.pool.acquire() as conn:
        for table in ("sign_in_links WHERE token_hash", "passkey_challenges WHERE challenge_hash", "rate_counters WHERE policy"):
            assert await conn.fetchval(f"SELECT count(*) FROM {table} = 'new'") == 1
            assert await conn.fetchval(f"SELECT count(*) FROM {table} = 'old'") == 0
        assert await conn.fetchval("SELECT array_agg(id) FROM stripe_events WHERE id LIKE 'evt____'") == ["evt_new"]
    assert await tables_that_name(shop, "old-mail@x.example") == set()
    assert await tables_that_name(shop, "new-mail@x.example") == {"mails"}


async def test_uncharged_pledges_are_forgotten_long_after_the_event(shop: Service) -> None:
    placed = await shop.pledged(await shop.trip(await shop.event()), email="long@example.net", name="Long Ago")
    bearer = {"Authorization": f"Bearer {placed['manage_token']}"}
    answer: httpx.Response = await shop.http.post(f"/api/pledges/{placed['pledge']['id']}/withdraw", headers=bearer)
    assert answer.status_code == 200
    await shop.work()
    await shop.jump(ARRIVE - (await now_of(shop)) + timedelta(days=200))
    await keep_retention(shop.pool)
    await shop.jump(timedelta(0))
    assert await tables_that_name(shop, "Long Ago") == set()
