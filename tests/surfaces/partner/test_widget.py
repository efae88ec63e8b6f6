"""What other sites load: scripts for all, data for a key's registered origins and nobody else."""

import hashlib
import re
from base64 import b64encode
from typing import Any

import pytest

from tests.support.service import Service
from tests.surfaces.partner.conftest import SITE, Team


async def test_the_loader_floats_and_is_pinned_with_its_hash(service: Service, team: Team, event: dict[str, Any]) -> None:
    key = await team.key()
    page = (await team.http.get(f"/partner/{team.code}/events/{event['code']}", headers={"accept": "text/html"})).text
    found = re.search(r"/w/(1\.\d+\.\d+)\.js&#34; integrity=&#34;(sha384-[^&]+)&#34;", page)
    assert found, "the snippet is shown as text"
    pinned = await service.http.get(f"/w/{found[1]}.js")
    assert f"sha384-{b64encode(hashlib.sha384(pinned.content).digest()).decode()}" == found[2]
    assert "immutable" in pinned.headers["cache-control"]
    floating = await service.http.get("/w/v1.js")
    assert floating.content == pinned.content
    assert "immutable" not in floating.headers["cache-control"]
    for answer in (pinned, floating):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "set-cookie" not in answer.headers
    assert key["key"] in page


async def test_the_parts_of_this_version_are_served_and_nothing_else(service: Service) -> None:
    version = re.search(r'VERSION = "([^"]+)"', (await service.http.get("/w/v1.js")).text)
    assert version
    assert (await service.http.get(f"/w/{version[1]}/card.js")).status_code == 200
    for path in ("/w/9.9.9.js", "/w/9.9.9/card.js", f"/w/{version[1]}/README.md", "/w/v2.js", f"/w/{version[1]}/..%2Fpages.py"):
        assert (await service.http.get(path)).status_code == 404, path


async def test_a_registered_origin_reads_public_trips(service: Service, team: Team, event: dict[str, Any]) -> None:
    key = await team.key(SITE, "https://www.city.example")
    trip = await service.trip(event)
    await service.trip(event, opened=False, origin="Secret town")
    await service.pledged(trip, seats=2)
    answer = await service.http.get(f"/w/events/{event['code']}.json", params={"key": key["key"]}, headers={"origin": SITE})
    assert answer.status_code == 200, answer.text
    assert answer.headers["access-control-allow-origin"] == SITE
    assert "origin" in answer.headers["vary"].lower()
    assert "access-control-allow-credentials" not in answer.headers
    assert "set-cookie" not in answer.headers
    data = answer.json()
    assert data["event"]["code"] == event["code"]
    (row,) = data["trips"]
    assert row == {
        "code": trip["code"], "origin": "Baltimore", "state": "open", "secured": 2, "minimum": 3, "cap": 10, "currency": "USD",
        "deadline_at": trip["deadline_at"], "price_minor": 3200, "url": trip["url"], "live_url": trip["live_url"],
        "to_go": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://city.example", "https://city.example:8443", "https://a.city.example", "null", None]
)
async def test_every_other_origin_is_refused_without_cors(service: Service, team: Team, event: dict[str, Any], origin: str | None) -> None:
    key = await team.key()
    headers = {"origin": origin} if origin else {}
    answer = await service.http.get(f"/w/events/{event['code']}.json", params={"key": key["key"]}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "origin_not_registered")
    assert "access-control-allow-origin" not in answer.headers


async def test_our_own_preview_may_read_what_another_site_may_not(service: Service, team: Team, event: dict[str, Any]) -> None:
    key = await team.key()
    path, params = f"/w/events/{event['code']}.json", {"key": key["key"]}
    assert (await service.http.get(path, params=params, headers={"sec-fetch-site": "same-origin"})).status_code == 200
    assert (await service.http.get(path, params=params, headers={"sec-fetch-site": "cross-site"})).status_code == 403


async def test_a_key_opens_its_partners_events_only_and_ends_when_revoked(
    service: Service, team: Team, rival: Team, event: dict[str, Any]
) -> None:
    key, foreign = await team.key(), await rival.key()
    path = f"/w/events/{event['code']}.json"
    codes = {}
    for name, value in {"foreign": foreign["key"], "wrong": "bk_nothing", "none": ""}.items():
        codes[name] = (await service.http.get(path, params={"key": value}, headers={"origin": SITE})).json()["code"]
    assert codes == {"foreign": "unknown_event", "wrong": "key_unknown", "none": "key_unknown"}
    await team.http.post(f"/api/partner/keys/{key['id']}/revoke")
    answer = await service.http.get(path, params={"key": key["key"]}, headers={"origin": SITE})
    assert (answer.status_code, answer.json()["code"]) == (401, "key_unknown")


async def test_the_frame_page_may_be_framed_by_registered_origins_only(service: Service, team: Team, event: dict[str, Any]) -> None:
    key = await team.key()
    answer = await service.http.get(f"/w/frame/{event['code']}", params={"key": key["key"]})
    assert answer.status_code == 200, answer.text
    policy = answer.headers["content-security-policy"]
    assert f"frame-ancestors 'self' {SITE}" in policy
    assert "unsafe-inline" not in policy
    assert "Derby &amp; &lt;Cup&gt;" in answer.text
    assert "set-cookie" not in answer.headers
    other = await service.http.get("/sign-in", headers={"accept": "text/html"})
    assert "frame-ancestors 'none'" in other.headers["content-security-policy"]
