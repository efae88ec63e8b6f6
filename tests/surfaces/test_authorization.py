"""Every route of the application with everybody who is not let in: refused, nothing told, nothing written."""

import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from litestar import Litestar
from litestar.routes import HTTPRoute

from app.main import build_app
from tests.support.day_service import day_settings
from tests.support.fake_stripe import FakeStripe
from tests.support.ledgers import written
from tests.support.server import scratch_database
from tests.support.service import event_wish, running_service, trip_wish
from tests.surfaces.access import ACCESS, ANYBODY, LINK_HOLDER, PARTNERS, TAKER
from tests.surfaces.house import House, open_house

ROLES = [
    "anonymous",
    "rider",
    "rider A",
    "rider B",
    "operator A",
    "operator B",
    "waiting A",
    "taker A",
    "driver A",
    "driver B",
    "partner A",
    "partner B",
    "organiser",
]
REFUSED = {401, 403, 404}
DONE = {200, 201, 202, 204, 303}
ABOUT_THE_MATTER = {400, 409, 410, 422}
NO_NEWS = "GET /organiser/events/{code:str}/dispatch/solving/map"  # no plan is being made here: what is shown stays
ENDS = ("/end", "cancel", "withdraw", "remove", "revoke", "disable", "pull-out", "DELETE", "sign-out", "refuse", "decline")
SENTENCE = 3  # words at least
PARAMETER = re.compile(r"\{(\w+):\w+\}")
SPAN = {"kind": "blocked", "starts_at": "2031-02-01T00:00:00Z", "ends_at": "2031-02-02T00:00:00Z"}
CARD = {"currency": "USD", "valid_from": "2031-01-01", "call_out_minor": 1, "per_km_minor": 1, "per_h_minor": 1, "standby_per_h_minor": 1}
POSITION = {"at": "2027-01-16T05:40:00Z", "lat": 1.0, "lon": 1.0, "accuracy_m": 5.0}


def json_bodies(house: House) -> dict[str, Any]:
    """A body that fits for each JSON route that takes one, so that only who asks can be what is wrong."""
    own, company, club = house.paths, {"operator_id": house.paths["operator_id"]}, {"partner_id": house.paths["partner_id"]}
    return {
        "POST /api/events": event_wish(),
        "POST /api/events/{event_id:uuid}/trips": trip_wish(),
        "PATCH /api/trips/{trip_id:uuid}": {"minimum": 1},
        "POST /api/trips/{trip_id:uuid}/cancel": {"reason": "Snow"},
        "POST /api/events/{event_id:uuid}/cancel": {"reason": "Snow"},
        "POST /api/events/{event_id:uuid}/move": {"venue_name": "Elsewhere"},
        "POST /api/events/{event_id:uuid}/shortfall/approve": {"shortfall_minor": 1},
        "POST /api/events/{event_id:uuid}/payouts/cover": {"missing_minor": 1},
        "POST /api/duties/{duty_id:uuid}/corrections": {"amount_minor": 1, "reason": "Snow"},
        "PUT /api/operators/{operator_id:uuid}/pay-terms": {"vat_bp": 1900, "reserve_bp": 1000},
        "POST /api/stops/{stop_id:uuid}/decide": {"approve": False},
        "POST /api/organiser/disputes/{dispute_id:uuid}/answer": {"note": "Mine"},
        "POST /api/organiser/refunds/{refund_id:uuid}/settle-elsewhere": {"note": "By hand"},
        "POST /api/events/{event_id:uuid}/refund-ladder": {"refund_ladder": [[0, 5000]]},
        "POST /api/pledges/{pledge_id:uuid}/change": {"seats": 2},
        "POST /api/pledges/{pledge_id:uuid}/transfer": {"to_name": "Mole", "to_email": "mole@x.example"},
        "POST /api/transfer/accept": {"phone": "1"},
        "POST /api/driver/check-ins": {"check_ins": [{"id": str(uuid4()), "checked_at": POSITION["at"], "pass": "x"}]},
        "POST /api/driver/positions": {"positions": [POSITION]},
        "POST /api/driver/incidents": {"id": str(uuid4()), "kind": "late", "delay_min": 15},
        "POST /api/operator/offers/{offer_id:uuid}/decline": {"reason": "price"},
        "POST /api/operator/offers/{offer_id:uuid}/pull-out": {},
        "POST /api/operator/duties/{duty_id:uuid}/drivers": {"driver_id": own["driver_id"]},
        "POST /api/operator/depots": {"name": "Mine", "lat": 1.0, "lon": 1.0, **company},
        "POST /api/operator/vehicles": {
            "depot_id": own["depot_id"],
            "plate": "X 1",
            "name": "X",
            "seats": 49,
            "rules": "us-fmcsa-395.5",
            **company,
        },
        "PATCH /api/operator/vehicles/{vehicle_id:uuid}": {"in_service": False},
        "POST /api/operator/vehicles/{vehicle_id:uuid}/rate-cards": CARD,
        "POST /api/operator/vehicles/{vehicle_id:uuid}/availability": SPAN,
        "POST /api/operator/payout-account": company,
        "PUT /api/operator/vat": {"vat_bp": 1900, **company},
        "POST /api/operator/drivers": {"name": "Mole", "email": "mole@x.example", "phone": "+1 1", **company},
        "PATCH /api/operator/drivers/{driver_id:uuid}": {"active": False},
        "POST /api/partner/keys": {"origins": ["https://evil.example"], **club},
        "PATCH /api/partner/keys/{key_id:uuid}": {"origins": ["https://evil.example"]},
        "POST /api/partner/payout-account": {"country": "US", **club},
        "POST /api/partner/webhooks": {"url": "http://127.0.0.1:1/", **club},
        "POST /account/passkeys": {"credential": {}, "name": "Mine"},
    }


def form_bodies(house: House) -> dict[str, dict[str, str]]:
    """The forms whose owner is named by a field."""
    company = {"operator_id": house.paths["operator_id"]}
    return {
        "POST /operator/depots": {"depot_name": "Mine", "lat": "1", "lon": "1", **company},
        "POST /operator/vehicles": {
            "depot_id": house.paths["depot_id"],
            "plate": "X 1",
            "name": "X",
            "seats": "49",
            "wheelchair_places": "0",
            "rules": "us-fmcsa-395.5",
        },
        "POST /operator/payout-account": company,
        "POST /operator/vat": {"vat_percent": "19", **company},
        "POST /operator/drivers": {"name": "Mole", "email": "mole@x.example", "phone": "+1 1", **company},
        "POST /operator/drivers/{driver_id:uuid}/active": {"active": "false"},
        "POST /operator/vehicles/{vehicle_id:uuid}/service": {"in_service": "false"},
        "POST /operator/duties/{duty_id:uuid}/drivers": {"driver_id": house.paths["driver_id"], "seat": "1"},
        "POST /account/passkeys/{passkey_id:uuid}/rename": {"name": "Mine"},
    }


def routes_of(application: Litestar) -> list[str]:
    """`METHOD /pattern` of everything the application answers."""
    found = {
        f"{method} {route.path}"
        for route in application.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }
    return sorted(found)


def address(route: str, house: House, token: str) -> str:
    """A route's address with its parameters filled in: what belongs to A, and this token."""
    pattern = route.split(" ", 1)[1]

    def fill(found: re.Match[str]) -> str:
        name = found[1]
        if name == "token":
            return token
        if name == "code":
            return house.paths[max((prefix for prefix in house.paths if prefix[0] == "/" and pattern.startswith(prefix)), key=len)]
        return house.paths[name] if name in house.paths else {"answer": "accept"}[name]

    return PARAMETER.sub(fill, pattern)


async def ask(house: House, role: str, route: str, token: str = "") -> httpx.Response:
    """One request of somebody for a route."""
    method = route.split(" ", 1)[0]
    body = json_bodies(house).get(route)
    sent: dict[str, Any] = {"json": body} if body is not None else {"data": form_bodies(house).get(route, {})} if method == "POST" else {}
    return await house.clients[role].request(
        method, address(route, house, token), headers={"Idempotency-Key": uuid4().hex}, follow_redirects=False, **sent
    )


@pytest_asyncio.fixture(scope="module")
async def house(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[House]:
    async with (
        scratch_database(server[0], template=server[1], purpose="house") as dsn,
        running_service(dsn, stripe) as service,
        open_house(service) as opened,
    ):
        yield opened


def test_every_route_says_who_is_let_in() -> None:
    routes = routes_of(build_app(day_settings("postgresql://nowhere", 1)))
    assert sorted(ACCESS) == routes, "tests/surfaces/access.py needs one line for each route"


def refusal_faults(answer: httpx.Response, house: House) -> list[str]:
    """What is wrong with a refusal; nothing, if it is a proper one."""
    faults = [] if answer.status_code in REFUSED else [f"answered {answer.status_code}"]
    faults += [f"tells {text!r}" for text in house.told if text in answer.text]
    if faults or answer.headers["content-type"].startswith("text/html"):
        return faults  # a page of one's own, with the form that was refused
    problem = answer.json()
    is_proper = problem["type"] == f"/problems/{problem['code']}" and len(problem["detail"].split()) > SENTENCE
    return [] if is_proper else ["does not say what to do"]


@pytest.mark.parametrize("role", ROLES)
async def test_who_is_not_let_in_is_refused_and_told_nothing(house: House, role: str) -> None:
    leaks = []
    before = await written(house.service.pool)
    for route, let_in in ACCESS.items():
        if let_in in (ANYBODY, LINK_HOLDER) or role in let_in:
            continue
        faults = refusal_faults(await ask(house, role, route), house)
        leaks += [f"{route}: {fault}" for fault in faults]
    assert leaks == []
    assert await written(house.service.pool) == before


async def test_a_stranger_is_refused_before_the_body_is_read(house: House) -> None:
    told = []
    for route, let_in in ACCESS.items():
        method = route.split(" ", 1)[0]
        if method == "GET" or let_in in (ANYBODY, LINK_HOLDER, TAKER) or not route.split(" ", 1)[1].startswith(("/api/", "/account")):
            continue
        headers = {"content-type": "application/json", "x-csrf-token": house.clients["anonymous"].headers["x-csrf-token"]}
        answer = await house.clients["anonymous"].request(method, address(route, house, ""), content=b"[", headers=headers)
        told += [f"{route}: {answer.status_code}"] if answer.status_code not in REFUSED else []
    assert told == []


@pytest.mark.parametrize("role", [role for role in ROLES if role.endswith(" B")])
async def test_lists_hold_nothing_of_anybody_else(house: House, role: str) -> None:
    for route, let_in in ACCESS.items():
        if role in let_in and route.startswith("GET ") and let_in is not LINK_HOLDER:
            answer = await ask(house, role, route)
            assert answer.status_code in {200, 303}, route
            if not role.startswith("driver"):
                assert [text for text in house.told if text in answer.text] == [], route


async def test_a_link_opens_only_what_it_was_made_for(house: House) -> None:
    before = await written(house.service.pool)
    leaks = []
    for route in [route for route, let_in in ACCESS.items() if let_in is LINK_HOLDER]:
        own = next(prefix for prefix in house.tokens if route.split(" ")[1].startswith(prefix))
        wrong = [token for prefix, token in house.tokens.items() if prefix != own] + ["x", "0" * 43, house.tokens[own][:-1]]
        for token in wrong:
            faults = refusal_faults(await ask(house, "anonymous", route, token), house)
            leaks += [f"{route} with {token}: {fault}" for fault in faults]
    assert leaks == []
    assert await written(house.service.pool) == before


@pytest.mark.parametrize("role", ["rider A", "waiting A", "taker A", "operator A", "driver A", "partner A", "organiser"])
async def test_who_is_let_in_gets_what_is_theirs(house: House, role: str) -> None:
    refused = []
    for route in [route for route, let_in in ACCESS.items() if role in let_in and route.startswith("GET ")]:
        answer = await ask(house, role, route)
        expected = 303 if route == "GET /partner" and ACCESS[route] is PARTNERS else 204 if route == NO_NEWS else 200
        if answer.status_code != expected:
            refused.append(f"{route}: {answer.status_code} {answer.text[:200]}")
    assert refused == []


async def test_a_link_opens_what_it_was_made_for(house: House) -> None:
    for route in [route for route, let_in in ACCESS.items() if let_in is LINK_HOLDER and route.startswith("GET ")]:
        token = next(token for prefix, token in house.tokens.items() if route.split(" ")[1].startswith(prefix))
        answer = await ask(house, "anonymous", route, token)
        assert answer.status_code in {200, 303}, (route, answer.text)
        assert "no-store" in answer.headers["cache-control"], route


async def test_what_everybody_may_read_names_nobody(house: House) -> None:
    for route in [route for route, let_in in ACCESS.items() if let_in is ANYBODY and route.startswith("GET ")]:
        if PARAMETER.search(route) is None or (any(f"{{{name}:" in route for name in ("event_id", "trip_id")) and "live" not in route):
            answer = await ask(house, "anonymous", route)
            assert [text for text in house.told if text in answer.text] == [], route


@pytest.mark.parametrize("role", ["rider", "rider A", "operator A", "driver A", "partner A", "organiser"])
async def test_who_is_let_in_may_write(house: House, role: str) -> None:
    """Every writing route of a role: done, or refused for what it is about (its state, a field), never for who asks."""
    answers = {}
    for route, let_in in sorted(ACCESS.items(), key=lambda line: any(word in line[0] for word in ENDS)):
        if role in let_in and not route.startswith("GET "):
            answers[route] = (await ask(house, role, route)).status_code
    gone = {"POST /account/sessions/{session_id:uuid}/end", "POST /operator/vehicles/{vehicle_id:uuid}/availability/{span_id:uuid}/remove"}
    assert {route for route, status in answers.items() if status not in DONE | ABOUT_THE_MATTER} <= gone, "another route has ended it"
    assert sum(status in DONE for status in answers.values()) * 3 >= len(answers), answers
