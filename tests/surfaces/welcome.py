"""For each operation of the API somebody who may call it, at a moment when it succeeds, and a body that fits."""

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import msgspec

from app.core.ids import derived_token, new_id
from app.domain.accounts.model import Role
from app.domain.dispatch.model import Offer, OfferState
from app.domain.fleet.model import Driver
from app.domain.fleet.store import add_driver
from app.flows.answer_offer import accept_offer
from app.flows.close_booking import dispatch_event
from tests.support.dispatch_world import World, add_party, build_world, offers_in, plan_once
from tests.support.service import SECRET, signed_in, trip_wish
from tests.surfaces.access import ACCESS
from tests.surfaces.house import House
from tests.surfaces.test_authorization import PARAMETER, address, json_bodies
from tests.surfaces.webhooks.test_stripe_webhook import event_body, signed

COVER = "POST /api/events/{event_id}/payouts/cover"
LAST = ("cancel", "withdraw", "revoke", "disable", "pull-out", "DELETE", "refuse", "decline")
THE_RIDE = ("/departure", "/end")


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """`calls` say by operation what differs from the house's own: path parameters, body, bearer token, whole address."""

    house: House
    calls: dict[str, dict[str, Any]]

    def turn(self, operation: str) -> tuple[bool, bool, str]:
        """What ends something comes late, and last of all what a driver ends: nobody leaves a trip that is on its way."""
        return any(word in operation for word in THE_RIDE), any(word in operation for word in LAST), operation

    def client(self, operation: str) -> httpx.AsyncClient:
        """One of those whom the authorization test lets in."""
        let_in = ACCESS[route_of(operation)]
        return self.house.clients["anonymous" if "*" in let_in else min(let_in)]

    async def call(self, operation: str) -> httpx.Response:
        """One call by its owner."""
        route, client = route_of(operation), self.client(operation)
        own = self.calls.get(operation, {})
        house = msgspec.structs.replace(self.house, paths=self.house.paths | own.get("paths", {}))
        body = own.get("body", json_bodies(house).get(route))
        if operation == COVER:
            shown = (await house.service.organiser.get(f"/api/events/{house.paths['event_id']}/payouts")).text
            body = {"missing_minor": int(re.findall(r'"missing_minor":(\d+)', shown)[0])}
        sent: dict[str, Any] = {"content": own["content"]} if "content" in own else {} if body is None else {"json": body}
        headers = {"Idempotency-Key": uuid4().hex, **own.get("headers", {})}
        if "token" in own:
            headers["Authorization"] = f"Bearer {own['token']}"
        url = own.get("url") or address(route, house, "")
        async with client.stream(operation.split(" ", 1)[0], url, headers=headers, follow_redirects=False, **sent) as answer:
            if "event-stream" not in answer.headers.get("content-type", ""):
                await answer.aread()
                return answer
            first = await anext(answer.aiter_bytes())  # a stream has no end: its first words are enough
        told = httpx.Response(answer.status_code, headers=answer.headers, content=first, request=answer.request)
        told.elapsed = answer.elapsed
        return told


def route_of(operation: str) -> str:
    """The application's pattern of an operation of the document."""
    return next(one for one in ACCESS if plain_route(one) == operation)


def plain_route(route: str) -> str:
    """A route as the document writes it."""
    return PARAMETER.sub(lambda found: "{" + found[1] + "}", route)


async def prepare_welcome(house: House) -> Welcome:
    """A second event at an early moment, one with offers out, and what else an operation needs to succeed."""
    calls = {**await selling(house), **await dispatching(house)}
    body = event_body()
    calls["POST /api/stripe/webhook"] = {"content": body, "headers": signed(body)}
    calls["POST /api/demo/sessions"] = {"body": {"role": "organiser"}}
    calls["POST /api/driver/incidents"] = {"body": {"id": str(uuid4()), "kind": "late", "delay_min": 15}}
    calls["GET /open/events/{code}/jsonld"] = {"paths": {"/open/events/": house.paths["/e/"]}}
    calls["GET /oembed"] = {"url": f"/oembed?url={house.service.settings.base_url}/e/{house.paths['/e/']}"}
    await house.service.pool.execute("UPDATE webhook_deliveries SET state = 'failed' WHERE id = $1", UUID(house.paths["delivery_id"]))
    return Welcome(house=house, calls=calls)


async def selling(house: House) -> dict[str, dict[str, Any]]:
    """An event whose trips still sell: one open, one in draft, one full; riders with and without a card."""
    service = house.service
    event = await service.event()
    trip, draft, full = (
        await service.trip(event, minimum=8),
        await service.trip(event, opened=False),
        await service.trip(event, minimum=1, cap=1),
    )
    await service.pledged(full)
    new, counted, taken = await service.pledge(trip), await service.pledged(trip), await service.pledged(trip)
    placed = new.json()
    await service.http.post(
        f"/api/pledges/{taken['pledge']['id']}/transfer", json={"to_name": "Bea", "to_email": "bea@well.example"},
        headers={"Authorization": f"Bearer {taken['manage_token']}"},
    )  # fmt: skip
    transfer = await service.pool.fetchval("SELECT id FROM transfers WHERE pledge_id = $1", UUID(taken["pledge"]["id"]))
    later = {
        name: (datetime.fromisoformat(event[name]) + timedelta(days=1)).isoformat()
        for name in event
        if name.endswith("_at") and event[name]
    }
    move = {
        name: later[name] for name in ("starts_at", "ends_at", "arrive_by_at", "return_departs_at", "capacity_deadline_at") if name in later
    }
    party = {"stop_id": trip["stops"][0]["id"], "name": "Mole", "email": "mole@well.example", "seats": 1}
    own = {"paths": {"pledge_id": counted["pledge"]["id"]}, "token": counted["manage_token"]}
    return {
        "PATCH /api/trips/{trip_id}": {"paths": {"trip_id": trip["id"]}, "body": {"minimum": 7}},
        "POST /api/trips/{trip_id}/open": {"paths": {"trip_id": draft["id"]}},
        "POST /api/trips/{trip_id}/pledges": {"paths": {"trip_id": trip["id"]}, "body": party},
        "POST /api/trips/{trip_id}/stops": {"paths": {"trip_id": trip["id"]}, "body": {"name": "Well", "lat": 39.3, "lon": -76.6}},
        "POST /api/trips/{trip_id}/waitlist": {
            "paths": {"trip_id": full["id"]}, "body": {**party, "stop_id": full["stops"][0]["id"], "email": "vole@well.example"},
        },
        "POST /api/events/{event_id}/trips": {"paths": {"event_id": event["id"]}, "body": trip_wish()},
        "POST /api/events/{event_id}/move": {"paths": {"event_id": event["id"]}, "body": move},
        "POST /api/pledges/{pledge_id}/card": {"paths": {"pledge_id": placed["pledge"]["id"]}, "token": placed["manage_token"]},
        "POST /api/pledges/{pledge_id}/change": own | {"body": {"seats": 2}},
        "POST /api/pledges/{pledge_id}/transfer": own | {"body": {"to_name": "Cy", "to_email": "cy@well.example"}},
        "POST /api/transfer/accept": {"token": derived_token(SECRET, "transfer", transfer), "body": {"phone": "1"}},
    }  # fmt: skip


class OffersOut(msgspec.Struct, frozen=True, kw_only=True):
    """Planned events with an offer each, the last one accepted; one whose fares lack `missing_minor`; who may answer, by operator."""

    events: list[World]
    offers: list[Offer]
    poor: World
    missing_minor: int
    tokens: dict[UUID, str]
    driver_id: UUID

    def asked(self, number: int) -> dict[str, Any]:
        """The offer of an event, called by its operator."""
        offer = self.offers[number]
        return {"paths": {"offer_id": str(offer.id)}, "token": self.tokens[offer.operator_id]}


async def send_offers_out(house: House, count: int) -> OffersOut:
    """Plans `count` events and the poor one; accepts the last one's offer and gives its operator a driver."""
    pool = house.service.pool
    async with pool.acquire() as conn:
        sent = [await build_world(conn, price_minor=89_000) for _ in range(count)]
        poor = await build_world(conn, price_minor=100)
        for world in (*sent, poor):
            await add_party(conn, world, "baltimore", seats=8, price_minor=100 if world is poor else 89_000)
    for world in (*sent[::-1], poor):
        await dispatch_event(pool, world.event_id, actor="organiser")
        await plan_once(pool, world)
        if world is sent[-1]:  # first, so that the others are planned without its bus
            [mine] = await offers_in(pool, world, OfferState.SENT)
            await accept_offer(pool, mine.id, actor="operator")
    missing = await pool.fetchval("SELECT max(shortfall_minor) FROM plans WHERE event_id = $1 AND needs_approval", poor.event_id)
    offers = [(await offers_in(pool, world, OfferState.SENT))[0] for world in sent[:-1]] + [mine]
    tokens = {
        one.operator_id: await signed_in(pool, f"{one.operator_id}@well.example", Role.OPERATOR, operator_id=one.operator_id)
        for one in offers
    }
    driver = Driver(id=new_id(), operator_id=mine.operator_id, name="Dee", email="dee@well.example", phone="", active=True)
    async with pool.acquire() as conn:
        await add_driver(conn, driver)
    return OffersOut(events=sent, offers=offers, poor=poor, missing_minor=missing, tokens=tokens, driver_id=driver.id)


async def dispatching(house: House) -> dict[str, dict[str, Any]]:
    """Two events that are planned: one with offers out, one whose fares do not carry its plan."""
    out = await send_offers_out(house, 3)
    mine = out.offers[-1]
    return {
        "POST /api/operator/offers/{offer_id}/accept": out.asked(0),
        "POST /api/operator/offers/{offer_id}/decline": out.asked(1),
        "POST /api/operator/offers/{offer_id}/pull-out": out.asked(2),
        "POST /api/operator/duties/{duty_id}/drivers": {
            "paths": {"duty_id": str(mine.duty_id)}, "token": out.tokens[mine.operator_id], "body": {"driver_id": str(out.driver_id)},
        },
        "POST /api/events/{event_id}/dispatch": {"paths": {"event_id": str(out.events[0].event_id)}},
        "POST /api/events/{event_id}/shortfall/approve": {
            "paths": {"event_id": str(out.poor.event_id)}, "body": {"shortfall_minor": out.missing_minor},
        },
    }  # fmt: skip
