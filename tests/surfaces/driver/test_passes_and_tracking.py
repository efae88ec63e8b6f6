"""What riders see of their travel: passes, calendar, tracking."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from icalendar import Calendar

from app.core.clock import busload_now
from app.core.ids import derived_token
from app.domain.manifests.model import Position
from app.domain.manifests.passes import read_pass, signing_key
from app.flows.record_position import record_positions
from tests.support.day_service import Day
from tests.support.travel_world import SECRET, add_party, manage_token

PAGE = {"Accept": "text/html"}
KEY = signing_key(SECRET)


async def track_path(day: Day, pledge: Any) -> str:
    code = await day.db.fetchval("SELECT public_code FROM pledges WHERE id = $1", pledge)
    return f"/t/{code}-{derived_token(SECRET, 'pass', pledge)}"


async def test_every_person_has_a_genuine_pass_for_each_leg(day: Day, nobody: httpx.AsyncClient) -> None:
    answer = await nobody.get(f"/api/pledges/{day.ada}/passes", headers={"Authorization": f"Bearer {manage_token(day.ada)}"})
    assert answer.status_code == 200, answer.text
    passes = answer.json()["passes"]
    assert sorted((one["leg"], one["person"]) for one in passes) == [(leg, n) for leg in ("outbound", "return") for n in (1, 2, 3)]
    now = await busload_now(day.db)
    for one in passes:
        claims = read_pass(one["pass"], {KEY.key_id: KEY.public_key}, at=now)
        assert (claims.pledge_id, claims.duty_id, claims.person, claims.leg) == (day.ada, day.duty, one["person"], one["leg"])


async def test_passes_open_to_their_own_party_only(day: Day, nobody: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": f"Bearer {manage_token(day.bob)}"}, {"Authorization": f"Bearer {day.token}"}):
        answer = await nobody.get(f"/api/pledges/{day.ada}/passes", headers=headers)
        assert answer.status_code == 404


async def test_the_pass_that_a_rider_shows_checks_in(day: Day, nobody: httpx.AsyncClient, phone: httpx.AsyncClient) -> None:
    mine = {"Authorization": f"Bearer {manage_token(day.bob)}"}
    (one,) = (await nobody.get(f"/api/pledges/{day.bob}/passes", headers=mine)).json()["passes"]
    wish = {"id": str(uuid4()), "checked_at": (await busload_now(day.db)).isoformat(), "pass": one["pass"]}
    answer = await phone.post("/api/driver/check-ins", json={"check_ins": [wish]})
    assert answer.json()["outcomes"][0]["status"] == "accepted"
    (after,) = (await nobody.get(f"/api/pledges/{day.bob}/passes", headers=mine)).json()["passes"]
    assert after["is_checked_in"]


async def test_the_pass_page_shows_a_code_for_each_person_and_way(day: Day, nobody: httpx.AsyncClient) -> None:
    answer = await nobody.get(f"/p/{manage_token(day.ada)}/pass", headers=PAGE)
    assert answer.status_code == 200, answer.text
    assert answer.text.count("<svg viewBox") >= 6 or answer.text.count('class="qr"') == 6
    assert " style=" not in answer.text
    assert "Person 3 of 3" in answer.text
    assert "BUS 101" in answer.text


async def test_before_the_bus_is_known_the_page_says_so(day: Day, nobody: httpx.AsyncClient) -> None:
    early = await add_party(day.db, day.world, name="Early Bird")
    answer = await nobody.get(f"/p/{manage_token(early)}/pass", headers=PAGE)
    assert "No pass yet" in answer.text
    assert "not known yet" in (await nobody.get(await track_path(day, early), headers=PAGE)).text


async def test_the_calendar_has_both_ways_confirmed(day: Day, nobody: httpx.AsyncClient) -> None:
    answer = await nobody.get(f"/p/{manage_token(day.ada)}/calendar.ics")
    assert answer.headers["content-type"].startswith("text/calendar")
    entries = Calendar.from_ical(answer.content).walk("VEVENT")
    assert [(str(entry["UID"]), str(entry["STATUS"])) for entry in entries] == [
        (f"{day.ada}-outbound@busload", "CONFIRMED"),
        (f"{day.ada}-return@busload", "CONFIRMED"),
    ]


async def test_a_change_raises_the_calendar_sequence(day: Day, nobody: httpx.AsyncClient) -> None:
    async def sequence() -> int:
        content = (await nobody.get(f"/p/{manage_token(day.bob)}/calendar.ics")).content
        return int(str(Calendar.from_ical(content).walk("VEVENT")[0]["SEQUENCE"]))

    before = await sequence()
    assert await sequence() == before
    await day.db.execute("UPDATE pledges SET state = 'refunded' WHERE id = $1", day.bob)
    assert await sequence() > before


async def test_the_bus_is_seen_with_its_age_and_a_range(day: Day, nobody: httpx.AsyncClient) -> None:
    path = await track_path(day, day.ada)
    assert "Planned to leave" in (await nobody.get(path, headers=PAGE)).text
    now = await busload_now(day.db)
    await record_positions(
        day.pool, duty_id=day.duty, positions=[Position(at=now - timedelta(seconds=50), lat=41.89, lon=-87.67, accuracy_m=9)]
    )
    shown = (await nobody.get(path, headers=PAGE)).text
    assert "Live" in shown
    assert "Expected between these times" in shown
    fragment = (await nobody.get(f"{path}/now", headers={"HX-Request": "true", **PAGE})).text
    assert "<html" not in fragment
    assert "ago" in fragment
    kinds = {one["properties"]["kind"] for one in (await nobody.get(f"{path}/map.json")).json()["features"]}
    assert kinds == {"stop", "venue", "bus"}


async def test_a_lost_connection_is_said(day: Day, nobody: httpx.AsyncClient) -> None:
    now = await busload_now(day.db)
    await record_positions(
        day.pool, duty_id=day.duty, positions=[Position(at=now - timedelta(minutes=9), lat=41.89, lon=-87.67, accuracy_m=9)]
    )
    shown = (await nobody.get(await track_path(day, day.ada), headers=PAGE)).text
    assert "Connection lost" in shown
    assert "9" in shown


async def test_the_shared_link_shows_no_rider_and_opens_nothing_else(day: Day, nobody: httpx.AsyncClient) -> None:
    path = await track_path(day, day.ada)
    shown = (await nobody.get(path, headers=PAGE)).text
    assert "Ada" not in shown
    assert manage_token(day.ada) not in shown
    token = path.removeprefix("/t/").partition("-")[2]
    assert (await nobody.get(f"/p/{token}/pass", headers=PAGE)).status_code == 404


@pytest.mark.parametrize(
    "change",
    [lambda path: path[:-1] + ("A" if path[-1] != "A" else "B"), lambda path: path.split("-", 1)[0], lambda path: "/t/XXXX-" + path],
)
async def test_a_wrong_link_opens_nothing(day: Day, nobody: httpx.AsyncClient, change: Any) -> None:
    for suffix in ("", "/now", "/map.json"):
        assert (await nobody.get(change(await track_path(day, day.ada)).replace("/t/XXXX-/t/", "/t/XXXX-") + suffix)).status_code == 404
