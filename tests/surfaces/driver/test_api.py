from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from app.core.clock import busload_now, shift_clock
from app.domain.manifests.passes import claims_of, sign_pass, signing_key
from app.domain.manifests.store import read_pledge_passes
from tests.support.day_service import Day
from tests.support.travel_world import SECRET, add_duty, add_party, assign_driver

ROUTES = [
    ("GET", "/api/driver/manifest", None),
    ("POST", "/api/driver/check-ins", {"check_ins": [{"id": str(uuid4()), "checked_at": "2027-01-16T05:40:00Z", "pass": "x"}]}),
    ("POST", "/api/driver/positions", {"positions": [{"at": "2027-01-16T05:40:00Z", "lat": 1.0, "lon": 1.0, "accuracy_m": 5.0}]}),
    ("POST", "/api/driver/incidents", {"id": str(uuid4()), "kind": "late", "delay_min": 15}),
    ("POST", "/api/driver/departure", {}),
    ("POST", "/api/driver/end", {}),
]


async def named(day: Day, pledge: Any, person: int = 1, leg: str = "outbound") -> dict[str, Any]:
    at = await busload_now(day.db)
    return {"id": str(uuid4()), "checked_at": at.isoformat(), "pledge_id": str(pledge), "person": person, "leg": leg}


async def tokens(day: Day, pledge: Any) -> list[str]:
    key = signing_key(SECRET)
    return [sign_pass(key, claims_of(one)) for one in await read_pledge_passes(day.db, pledge)]


async def test_the_manifest_has_everything_a_phone_needs_for_a_day_without_signal(day: Day, phone: httpx.AsyncClient) -> None:
    answer = await phone.get("/api/driver/manifest")
    assert answer.status_code == 200, answer.text
    sheet = answer.json()
    calls = sheet["manifest"]["outbound"]
    assert [(call["place"]["name"], call["place"]["zone"]) for call in calls] == [
        ("Union Station", "America/Chicago"),
        ("Liberty Avenue", "America/New_York"),
    ]
    assert [party["name"] for party in calls[0]["parties"]] == ["Ada Lovelace", "Bob Brown"]
    assert calls[0]["parties"][0]["needs"] == "Folding wheelchair, needs the lift"
    assert sheet["manifest"]["event"]["dispatcher_phone"] == "+1 202 555 0100"
    assert [key["key_id"] for key in sheet["keys"]] == [signing_key(SECRET).key_id]
    assert (len(sheet["pass_serials"]), sheet["revoked_serials"]) == (8, [])


async def test_passes_and_names_check_in_and_show_on_the_next_manifest(day: Day, phone: httpx.AsyncClient) -> None:
    (token,) = await tokens(day, day.bob)
    at = (await busload_now(day.db)).isoformat()
    batch = [{"id": str(uuid4()), "checked_at": at, "pass": token}, await named(day, day.ada), await named(day, day.ada, 2)]
    answer = await phone.post("/api/driver/check-ins", json={"check_ins": batch})
    assert answer.status_code == 200, answer.text
    assert [one["status"] for one in answer.json()["outcomes"]] == ["accepted"] * 3
    again = await phone.post("/api/driver/check-ins", json={"check_ins": batch})
    assert [one["status"] for one in again.json()["outcomes"]] == ["repeated"] * 3
    sheet = (await phone.get("/api/driver/manifest")).json()
    assert {one["id"] for one in sheet["check_ins"]} == {one["id"] for one in batch}


async def test_one_bad_pass_does_not_lose_the_others(day: Day, phone: httpx.AsyncClient) -> None:
    (token,) = await tokens(day, day.bob)
    at = (await busload_now(day.db)).isoformat()
    forged = ("A" if token[0] != "A" else "B") + token[1:]
    batch = [{"id": str(uuid4()), "checked_at": at, "pass": one} for one in (forged, token)]
    outcomes = (await phone.post("/api/driver/check-ins", json={"check_ins": batch})).json()["outcomes"]
    assert [one["status"] for one in outcomes] == ["refused", "accepted"]
    assert outcomes[0]["code"] in {"pass_invalid", "pass_key_unknown"}
    assert outcomes[0]["detail"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"person": None}, "invalid_input"),
        ({"leg": "sideways"}, "invalid_input"),
        ({"checked_at": "2027-01-16T05:40:00"}, "invalid_input"),
        ({"checked_at": "0001-01-01T00:00:00+14:00"}, "invalid_input"),
        ({"seat": 3}, "unknown_field"),
        ({"id": "x"}, "invalid_input"),
    ],
)
async def test_a_check_in_with_a_fault_names_it(day: Day, phone: httpx.AsyncClient, change: dict[str, Any], code: str) -> None:
    wish = {**await named(day, day.bob), **change}
    answer = await phone.post("/api/driver/check-ins", json={"check_ins": [wish]})
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert (await phone.get("/api/driver/manifest")).json()["check_ins"] == []


@pytest.mark.parametrize("count", [0, 201])
async def test_a_batch_has_bounds(day: Day, phone: httpx.AsyncClient, count: int) -> None:
    wishes = [await named(day, day.bob) for _ in range(count)]
    assert (await phone.post("/api/driver/check-ins", json={"check_ins": wishes})).status_code == 422


async def test_positions_count_once(day: Day, phone: httpx.AsyncClient) -> None:
    at = (day.world.starts_at + timedelta(minutes=5)).isoformat()
    batch = {"positions": [{"at": at, "lat": 41.9, "lon": -87.7, "accuracy_m": 8.0}]}
    assert (await phone.post("/api/driver/positions", json=batch)).json() == {"recorded": 1}
    assert (await phone.post("/api/driver/positions", json=batch)).json() == {"recorded": 0}


async def test_an_incident_shows_on_the_manifest(day: Day, phone: httpx.AsyncClient) -> None:
    wish = {"id": str(uuid4()), "kind": "breakdown"}
    assert (await phone.post("/api/driver/incidents", json=wish)).json() == {"id": wish["id"], "is_new": True}
    assert (await phone.post("/api/driver/incidents", json=wish)).json() == {"id": wish["id"], "is_new": False}
    (incident,) = (await phone.get("/api/driver/manifest")).json()["incidents"]
    assert incident["summary"].startswith("Bus BUS 101 of Lakeshore Coaches has broken down")


async def test_departure_and_end_are_told_once(day: Day, phone: httpx.AsyncClient) -> None:
    left = (await phone.post("/api/driver/departure")).json()
    assert left["closed_at"] is not None
    assert left["ended_at"] is None
    assert (await phone.post("/api/driver/departure")).json() == left
    ended = (await phone.post("/api/driver/end")).json()
    assert ended["ended_at"] is not None
    assert await day.db.fetchval("SELECT state FROM trips WHERE id = $1", day.world.trip_id) == "departed"


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_nothing_opens_without_a_link(day: Day, nobody: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = await nobody.request(method, path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "driver_link_unknown")


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
async def test_an_expired_link_says_so(day: Day, phone: httpx.AsyncClient, method: str, path: str, body: Any) -> None:
    await shift_clock(day.db, timedelta(days=2))
    answer = await phone.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"], answer.json()["type"]) == (
        410,
        "driver_link_expired",
        "/problems/driver_link_expired",
    )


async def test_a_revoked_link_says_so(day: Day, phone: httpx.AsyncClient) -> None:
    await day.db.execute("UPDATE duty_drivers SET ended_at = busload_now() WHERE driver_id = $1", day.driver)
    answer = await phone.get("/api/driver/manifest")
    assert (answer.status_code, answer.json()["code"]) == (410, "driver_link_revoked")


async def test_a_link_opens_its_own_duty_only(day: Day, phone: httpx.AsyncClient) -> None:
    stranger = await add_party(day.db, day.world, name="Stranger")
    other = await add_duty(day.db, day.world, [stranger], plate="BUS 202")
    await assign_driver(day.db, day.world, other, name="Other Driver")
    await day.issue()
    assert "Stranger" not in (await phone.get("/api/driver/manifest")).text
    outcome = (await phone.post("/api/driver/check-ins", json={"check_ins": [await named(day, stranger)]})).json()["outcomes"][0]
    assert (outcome["status"], outcome["code"]) == ("refused", "not_on_this_bus")


async def test_a_duty_that_was_taken_back_says_so(day: Day, phone: httpx.AsyncClient) -> None:
    await day.db.execute("UPDATE offers SET state = 'failed' WHERE duty_id = $1", day.duty)
    await day.issue()
    answer = await phone.get("/api/driver/manifest")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_manifest")
