"""For each form (and script's request) of the pages: whose it is when it succeeds, what is typed, and where its effect is seen."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec

from app.core.database import transaction
from app.core.ids import derived_token, new_id
from app.domain.accounts.model import Role
from app.domain.pledges.model import SavedCard
from app.domain.pledges.store import get_pledge
from app.domain.trips.store import lock_trip
from app.flows.hold_for_review import hold
from tests.support.riders import ASKS, tipped
from tests.support.service import SECRET, Service, event_wish, signed_in
from tests.surfaces.access import ACCESS, LINK_HOLDER
from tests.surfaces.account.visitor import Visitor
from tests.surfaces.house import EVE, SITE, House
from tests.surfaces.test_authorization import address
from tests.surfaces.welcome import OffersOut, send_offers_out

AT_NOON = "2030-05-01T12:00"


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """`changes` is the table where the effect is seen; without the rest it is the house's own owner and objects."""

    changes: str
    typed: dict[str, str] = {}
    sent: Any = None  # what a script sends as JSON
    paths: dict[str, str] = {}
    link: str = ""
    bearer: str = ""
    browser: httpx.AsyncClient | None = None

    async def post(self, house: House, route: str) -> httpx.Response:
        """Sends it as its owner."""
        let_in = ACCESS[route]
        client = self.browser or house.clients["anonymous" if {"*", "link"} & let_in else min(let_in)]
        link = self.link or next((held for prefix, held in house.tokens.items() if route.split(" ")[1].startswith(prefix)), "")
        there = address(route, msgspec.structs.replace(house, paths=house.paths | self.paths), link if let_in is LINK_HOLDER else "")
        headers = {"Authorization": f"Bearer {self.bearer}"} if self.bearer else {}
        body: dict[str, Any] = {"data": self.typed} if self.sent is None else {"json": self.sent}
        return await client.post(there, headers=headers, follow_redirects=False, **body)


@asynccontextmanager
async def prepared_forms(house: House) -> AsyncIterator[dict[str, Form]]:
    """A form for each writing route that is not in the OpenAPI document, with what it needs made."""
    async with AsyncExitStack() as closing:
        yield {
            **await signing_in(house, closing),
            **await riding(house.service),
            **await planning(house.service),
            **await reviewing(house.service),
            **await minding_more_money(house),
            **minding_money(),
            **await dispatching(house, await send_offers_out(house, 4)),
            **keeping_a_fleet(house),
            **being_a_partner(),
        }


async def new_browser(house: House, closing: AsyncExitStack, email: str = "") -> Visitor:
    """Somebody's browser with a form token; signed in when they have an address."""
    visitor = Visitor(house.service)
    closing.push_async_callback(visitor.http.aclose)
    await visitor.http.get("/sign-in/none")
    visitor.http.headers["x-csrf-token"] = visitor.http.cookies["busload_csrf"]
    if email:
        await visitor.signed_in(email)
    return visitor


async def signing_in(house: House, closing: AsyncExitStack) -> dict[str, Form]:
    """Mail links, passkeys, sessions, one's data."""
    service = house.service
    asking = await new_browser(house, closing)
    await asking.post("/sign-in", email="asks@well.example")
    await service.work("send_mail")
    mail = next(one for one in reversed(service.postbox.messages) if one["To"] == "asks@well.example")
    token = mail.get_body(("plain",)).get_content().split("/sign-in/", 1)[1].split()[0]
    making, using = await new_browser(house, closing, "makes@well.example"), await new_browser(house, closing, "uses@well.example")
    made = making.passkey.make(await making.options("/account/passkeys/options"))
    await using.makes_passkey()
    await using.post("/sign-out")
    used = using.passkey.sign(await using.options("/sign-in/passkey/options"))
    leaving = await signed_in(service.pool, "leaves@well.example", Role.ORGANISER)
    ending, _ = [await signed_in(service.pool, "ends@well.example", Role.ORGANISER) for _ in range(2)]
    return {
        "POST /sign-in": Form(changes="sign_in_links", typed={"email": "new@well.example"}),
        "POST /sign-in/use": Form(changes="sessions", typed={"token": token}, browser=asking.http),
        "POST /sign-out": Form(changes="sessions", bearer=leaving),
        "POST /sign-in/passkey/options": Form(changes="passkey_challenges", sent={}),
        "POST /sign-in/passkey": Form(changes="sessions", sent={"credential": used, "next": "/"}, browser=using.http),
        "POST /account/passkeys/options": Form(changes="passkey_challenges", sent={}),
        "POST /account/passkeys": Form(changes="passkeys", sent={"credential": made, "name": "Phone"}, browser=making.http),
        "POST /account/passkeys/{passkey_id:uuid}/rename": Form(changes="passkeys", typed={"name": "Mine"}),
        "POST /account/passkeys/{passkey_id:uuid}/remove": Form(changes="passkeys"),
        "POST /account/sessions/{session_id:uuid}/end": Form(changes="sessions"),
        "POST /account/sessions/end-others": Form(changes="sessions", bearer=ending),
        "POST /account/erase": Form(changes="erasures", bearer=ending),
        "POST /erase/{token:str}": Form(changes="erasures"),
    }


async def riding(service: Service) -> dict[str, Form]:
    """Trips on sale and pledges behind their links."""
    event = await service.event()
    trip, full = await service.trip(event, minimum=9), await service.trip(event, minimum=1, cap=1)
    await service.pledged(full)
    new, mine, leaving = (await service.pledge(trip)).json(), await service.pledged(trip), await service.pledged(trip)
    _, asked = await tipped(service, card=ASKS)
    await service.work("charge_payment")
    offered = [await offer(service, trip, name) for name in ("bea", "cy", "di")]
    own = mine["manage_token"]
    party = {"name": "Mole", "email": "mole@well.example", "seats": "1", "wheelchairs": "0", "legs": "both"}
    at = {"stop_id": trip["stops"][0]["id"]}
    there = {"/trips/": trip["code"]}
    return {
        "POST /trips/{code:str}/pledge": Form(changes="pledges", typed={**party, **at, "key": uuid4().hex, "terms": "yes"}, paths=there),
        "POST /trips/{code:str}/waitlist": Form(
            changes="waitlist", typed={**party, "stop_id": full["stops"][0]["id"]}, paths={"/trips/": full["code"]}
        ),
        "POST /trips/{code:str}/propose-stop": Form(
            changes="stops", typed={"name": "Well", "lat": "39.3", "lon": "-76.6", "insist": "yes"}, paths=there
        ),
        "POST /waitlist/{token:str}/leave": Form(changes="waitlist"),
        "POST /p/{token:str}/card": Form(changes="pledges", link=own),
        "POST /p/{token:str}/approve": Form(changes="payments", link=asked["manage_token"]),
        "POST /p/{token:str}/change": Form(changes="pledges", typed={**at, "seats": "2", "wheelchairs": "0", "legs": "both"}, link=own),
        "POST /p/{token:str}/transfer": Form(changes="transfers", typed={"to_name": "Eli", "to_email": "eli@well.example"}, link=own),
        "POST /p/{token:str}/transfer/cancel": Form(changes="transfers", link=offered[0][0]),
        "POST /transfer/{token:str}/accept": Form(changes="transfers", typed={"terms": "yes", "phone": "1"}, link=offered[1][1]),
        "POST /transfer/{token:str}/decline": Form(changes="transfers", link=offered[2][1]),
        "POST /p/{token:str}/withdraw": Form(changes="pledges", link=leaving["manage_token"]),
        "POST /p/{token:str}/erase": Form(changes="erasures", link=new["manage_token"]),
    }


async def offer(service: Service, trip: dict[str, Any], name: str) -> tuple[str, str]:
    """Seats offered to somebody: the owner's link and theirs."""
    placed = await service.pledged(trip)
    own, there = placed["manage_token"], f"/api/pledges/{placed['pledge']['id']}/transfer"
    to = {"to_name": name, "to_email": f"{name}@well.example"}
    assert (await service.http.post(there, json=to, headers={"Authorization": f"Bearer {own}"})).is_success
    transfer = await service.pool.fetchval("SELECT id FROM transfers WHERE pledge_id = $1", UUID(placed["pledge"]["id"]))
    return own, derived_token(SECRET, "transfer", transfer)


async def planning(service: Service) -> dict[str, Form]:
    """The organisers' events, trips and stops."""
    early, late = await service.event(), await service.event()
    trip, draft, gone = await service.trip(late), await service.trip(late, opened=False), await service.trip(late)
    stop = {"name": "Far", "lat": 39.5, "lon": -76.5, "insist": True}
    proposed = (await service.http.post(f"/api/trips/{trip['id']}/stops", json=stop)).json()["stop"]
    event = {name: str(text)[:16] if name.endswith("_at") else str(text) for name, text in event_wish().items()}
    made = {
        "origin": "York", "origin_lat": "39.29", "origin_lon": "-76.61", "zone": "America/New_York", "price_both": "32.00", "minimum": "3",
        "cap": "10", "deadline_at": AT_NOON, "stops": "Camden Yards; 1 Street; 39.284, -76.622",
    }  # fmt: skip
    return {
        "POST /organiser/events/new": Form(changes="events", typed=event),
        "POST /organiser/events/{code:str}/refund-ladder": Form(
            changes="events", typed={"refund_ladder": "14 days: 100"}, paths={"/organiser/events/": early["code"]}
        ),
        "POST /organiser/events/{code:str}/trips": Form(changes="trips", typed=made, paths={"/organiser/events/": late["code"]}),
        "POST /organiser/events/{code:str}/cancel": Form(
            changes="events", typed={"reason": "Snow"}, paths={"/organiser/events/": early["code"]}
        ),
        "POST /organiser/stops/{stop_id:uuid}/decide": Form(changes="stops", typed={"approve": "yes"}, paths={"stop_id": proposed["id"]}),
        "POST /organiser/trips/{code:str}/open": Form(changes="trips", paths={"/organiser/trips/": draft["code"]}),
        "POST /organiser/trips/{code:str}/ease": Form(changes="trips", typed={"minimum": "2"}, paths={"/organiser/trips/": trip["code"]}),
        "POST /organiser/trips/{code:str}/cancel": Form(
            changes="trips", typed={"reason": "Snow"}, paths={"/organiser/trips/": gone["code"]}
        ),
    }


async def reviewing(service: Service) -> dict[str, Form]:
    """Pledges that wait for a look."""
    event, crowded = await service.event(), await service.event()
    trips = [trip := await service.trip(event), trip, await service.trip(crowded)]
    held = [UUID((await service.pledge(one)).json()["pledge"]["id"]) for one in trips]
    async with transaction(service.pool) as conn:
        for number, pledge_id in enumerate(held):
            locked = await lock_trip(conn, UUID(trips[number]["id"]))
            pledge = await get_pledge(conn, pledge_id)
            assert locked is not None
            assert pledge is not None
            card = SavedCard(
                customer_ref=f"cus_w{number}", payment_method_ref=f"pm_w{number}", card_fingerprint=f"w{number}", card_label="Visa"
            )
            await hold(conn, locked, pledge, card, because="many from one network")
    return {
        "POST /organiser/pledges/{pledge_id:uuid}/release": Form(changes="pledges", paths={"pledge_id": str(held[0])}),
        "POST /organiser/pledges/{pledge_id:uuid}/refuse": Form(changes="pledges", paths={"pledge_id": str(held[1])}),
        "POST /organiser/events/{code:str}/review/expected": Form(changes="events", paths={"/organiser/events/": crowded["code"]}),
    }


def minding_money() -> dict[str, Form]:
    """The house's contested charge, its failed refund and its hire."""
    correction = {"amount": "1.00", "reason": "Snow", "key": uuid4().hex}
    return {
        "POST /organiser/money/reconcile": Form(changes="pgqueuer"),
        "POST /organiser/disputes/{dispute_id:uuid}/answer": Form(changes="disputes", typed={"note": "Mine"}),
        "POST /organiser/events/{code:str}/duties/{duty_id:uuid}/correct": Form(changes="hire_corrections", typed=correction),
    }


async def minding_more_money(house: House) -> dict[str, Form]:
    """A failed refund of a charge that nobody contests, what the event's payouts lack, a webhook that could not be delivered."""
    pool, charge, other = house.service.pool, new_id(), new_id()
    await pool.execute(
        "INSERT INTO payments (id, reference, purpose, book, amount_minor, currency, description, state, customer_ref, "
        "payment_method_ref, intent_ref, charge_ref, collect_until) SELECT $1, id, 'fare', 'event:' || event_id, 5000, 'USD', "
        "'A seat', 'due', 'cus_2', 'pm_2', 'pi_well', 'ch_well', busload_now() FROM pledges WHERE name = $2 ORDER BY id LIMIT 1",
        charge, EVE,
    )  # fmt: skip
    await pool.execute("UPDATE payments SET state = 'submitting', attempts = 1, submitted_at = busload_now() WHERE id = $1", charge)
    await pool.execute("UPDATE payments SET state = 'succeeded', settled_at = busload_now() WHERE id = $1", charge)
    await pool.execute(
        "INSERT INTO refunds (id, payment_id, reason, amount_minor, currency, state) VALUES ($1, $2, 'cancellation', 2, 'USD', 'due')",
        other, charge,
    )  # fmt: skip
    await pool.execute("UPDATE refunds SET state = 'submitting', submitted_at = busload_now() WHERE id = $1", other)
    await pool.execute("UPDATE refunds SET state = 'failed', settled_at = busload_now() WHERE id = $1", other)
    await pool.execute("UPDATE webhook_deliveries SET state = 'failed' WHERE id = $1", UUID(house.paths["delivery_id"]))
    shown = (await house.service.organiser.get(f"/api/events/{house.paths['event_id']}/payouts")).text
    return {
        "POST /organiser/refunds/{refund_id:uuid}/settle-elsewhere": Form(changes="refunds", typed={"note": "By hand"}),
        "POST /organiser/refunds/{refund_id:uuid}/send-again": Form(changes="refunds", paths={"refund_id": str(other)}),
        "POST /organiser/events/{code:str}/payouts/cover": Form(
            changes="ledger_transactions", typed={"missing_minor": re.findall(r'"missing_minor":(\d+)', shown)[0]}
        ),
    }  # fmt: skip


async def dispatching(house: House, out: OffersOut) -> dict[str, Form]:
    """Offers answered by sign-in and by link, a driver assigned, a plan wanted, a shortfall approved."""
    asked = [{"paths": out.asked(number)["paths"], "bearer": out.asked(number)["token"]} for number in range(4)]
    mine = out.offers[-1]
    codes = [
        str(await house.service.pool.fetchval("SELECT public_code FROM events WHERE id = $1", one.event_id))
        for one in (out.events[0], out.poor)
    ]
    crew = {"driver_id": str(out.driver_id), "seat": "1"}
    return {
        "POST /operator/offers/{offer_id:uuid}/accept": Form(changes="offers", **asked[0]),
        "POST /operator/offers/{offer_id:uuid}/decline": Form(changes="offers", typed={"reason": "price"}, **asked[1]),
        "POST /operator/offers/{offer_id:uuid}/pull-out": Form(changes="offers", **asked[3]),
        "POST /operator/offer/{token:str}/{answer:str}": Form(
            changes="offers", link=derived_token(SECRET, "offer", out.offers[2].id), typed={"reason": "price"}, paths={"answer": "decline"},
        ),
        "POST /operator/duties/{duty_id:uuid}/drivers": Form(
            changes="duty_drivers", typed=crew, paths={"duty_id": str(mine.duty_id)}, bearer=out.tokens[mine.operator_id]
        ),
        "POST /organiser/events/{code:str}/dispatch": Form(changes="replans", paths={"/organiser/events/": codes[0]}),
        "POST /organiser/events/{code:str}/dispatch/approve": Form(
            changes="plans", typed={"shortfall_minor": str(out.missing_minor)}, paths={"/organiser/events/": codes[1]}
        ),
    }  # fmt: skip


def keeping_a_fleet(house: House) -> dict[str, Form]:
    """Operator A's depots, vehicles, drivers, taxes and account."""
    company, depot = {"operator_id": house.paths["operator_id"]}, {"depot_id": house.paths["depot_id"]}
    vehicle = {"plate": "WELL 1", "name": "Well", "seats": "49", "wheelchair_places": "0", "rules": "us-fmcsa-395.5"}
    price = {"currency": "USD", "valid_from": "2031-01-01", "call_out": "250", "per_km": "2", "per_h": "40", "standby_per_h": "20"}
    span = {"kind": "blocked", "starts": "2031-02-01T00:00", "ends": "2031-02-02T00:00", "zone": "America/New_York"}
    driver = {"name": "Di", "email": "di@well.example", "phone": "+1 1"}
    return {
        "POST /operator/depots": Form(changes="depots", typed={"depot_name": "Mine", "lat": "1", "lon": "1", **company}),
        "POST /operator/vehicles": Form(changes="vehicles", typed=vehicle | depot),
        "POST /operator/vehicles/{vehicle_id:uuid}/service": Form(changes="vehicles", typed={"in_service": "false"}),
        "POST /operator/vehicles/{vehicle_id:uuid}/rate-cards": Form(changes="rate_cards", typed=price),
        "POST /operator/vehicles/{vehicle_id:uuid}/availability": Form(changes="availability", typed=span),
        "POST /operator/vehicles/{vehicle_id:uuid}/availability/{span_id:uuid}/remove": Form(changes="availability"),
        "POST /operator/drivers": Form(changes="drivers", typed=driver | company),
        "POST /operator/drivers/{driver_id:uuid}/active": Form(changes="drivers", typed={"active": "false"}),
        "POST /operator/payout-account": Form(changes="payees", typed=company),
        "POST /operator/vat": Form(changes="operators", typed={"vat_percent": "19", **company}),
    }


def being_a_partner() -> dict[str, Form]:
    """Partner A's keys, webhooks and account."""
    return {
        "POST /partner/{code:str}/keys": Form(changes="api_keys", typed={"origins": SITE}),
        "POST /partner/{code:str}/keys/{key_id:uuid}": Form(changes="api_keys", typed={"origins": "https://well.example"}),
        "POST /partner/{code:str}/keys/{key_id:uuid}/revoke": Form(changes="api_keys"),
        "POST /partner/{code:str}/webhooks": Form(changes="webhook_endpoints", typed={"url": "http://127.0.0.1:1/well"}),
        "POST /partner/{code:str}/webhooks/{endpoint_id:uuid}/test": Form(changes="webhook_deliveries"),
        "POST /partner/{code:str}/webhooks/{endpoint_id:uuid}/disable": Form(changes="webhook_endpoints"),
        "POST /partner/{code:str}/deliveries/{delivery_id:uuid}/replay": Form(changes="webhook_deliveries"),
        "POST /partner/{code:str}/payout-account": Form(changes="payees", typed={"country": "US"}),
    }
