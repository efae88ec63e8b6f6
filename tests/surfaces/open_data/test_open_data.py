"""What machines read: structured data, site map, robots, oEmbed, the API's description."""

import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from app.core.ids import new_id, public_code
from app.domain.partners.model import Partner
from app.domain.partners.store import add_key, add_partner
from app.surfaces.open_data.structured import decimal_price, script_tag
from tests.support.service import Service


async def test_an_event_is_described_with_an_offer_for_each_public_trip(service: Service) -> None:
    event = await service.event()
    trip = await service.trip(event)
    await service.trip(event, opened=False, origin="Secret town")
    answer = await service.http.get(f"/open/events/{event['code']}/jsonld")
    assert answer.headers["content-type"].startswith("application/ld+json")
    data = answer.json()
    assert (data["@type"], data["name"], data["eventStatus"]) == ("Event", event["name"], "https://schema.org/EventScheduled")
    (bus,) = data["subjectOf"]
    assert (bus["@type"], bus["url"]) == ("BusTrip", trip["url"])
    offer = bus["offers"]
    assert (offer["price"], offer["priceCurrency"], offer["availability"]) == ("32.00", "USD", "https://schema.org/PreOrder")
    assert (await service.http.get("/open/events/NOTHING/jsonld")).status_code == 404


def test_prices_are_decimal_text_in_the_currencys_own_digits() -> None:
    assert [decimal_price(3205, "EUR"), decimal_price(1500, "JPY"), decimal_price(5, "USD")] == ["32.05", "1500", "0.05"]


def test_a_data_block_cannot_be_left_from_inside() -> None:
    tag = script_tag({"name": "</script><script>alert(1)</script> & <!--"})
    inner = tag.removeprefix('<script type="application/ld+json">').removesuffix("</script>")
    assert "<" not in inner
    assert json.loads(inner)["name"] == "</script><script>alert(1)</script> & <!--"


async def test_the_site_map_lists_what_is_public(service: Service) -> None:
    event = await service.event()
    trip = await service.trip(event)
    hidden = await service.event(name="Not on sale")
    root = ET.fromstring((await service.http.get("/sitemap.xml")).text)
    listed = [node.text for node in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert event["url"] in listed
    assert trip["url"] in listed
    assert hidden["url"] not in listed
    robots = (await service.http.get("/robots.txt")).text
    assert "Disallow: /p/" in robots
    assert f"Sitemap: {service.settings.base_url}/sitemap.xml" in robots


async def keyed_event(service: Service) -> tuple[dict[str, Any], str]:
    partner = Partner(id=new_id(), public_code=public_code(), name="City FC", site_url="", email="desk@city.example")
    async with service.pool.acquire() as conn:
        await add_partner(conn, partner)
        key = await add_key(conn, partner_id=partner.id, public_key="bk_test", origins=["https://city.example"])
    return await service.event(partner_id=str(partner.id), name='Derby "Cup"'), key.public_key


async def test_an_event_page_is_embedded_as_a_frame_with_a_key_and_as_a_link_without(service: Service) -> None:
    event, key = await keyed_event(service)
    framed = await service.http.get("/oembed", params={"url": f"{event['url']}?via={key}", "maxwidth": 400})
    data = framed.json()
    assert (data["version"], data["type"], data["width"]) == ("1.0", "rich", 400)
    assert f"/w/frame/{event['code']}?key={key}" in data["html"]
    assert "Derby &quot;Cup&quot;" in data["html"]
    assert (await service.http.get(f"/w/frame/{event['code']}", params={"key": key})).status_code == 200
    assert (await service.http.get("/oembed", params={"url": event["url"]})).json()["type"] == "link"
    assert (await service.http.get("/oembed", params={"url": f"https://evil.example/e/{event['code']}"})).status_code == 404
    assert (await service.http.get("/oembed", params={"url": event["url"], "format": "xml"})).status_code == 501


@pytest.mark.parametrize(("name", "value"), [("url", "http://["), ("maxwidth", "-1"), ("maxheight", "0"), ("maxwidth", "9" * 40)])
async def test_what_cannot_be_embedded_is_refused_by_its_field(service: Service, name: str, value: str) -> None:
    event = await service.event()
    answer = await service.http.get("/oembed", params={"url": event["url"], name: value})
    if value.startswith("9"):
        assert answer.json()["type"] == "link", "as wide as anybody has room"
    else:
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == name
    missing = await service.http.get("/oembed")
    assert (missing.status_code, missing.json()["errors"][0]["field"]) == (422, "url")


async def test_the_api_is_described_in_openapi_31_with_names_as_promised(service: Service) -> None:
    document = (await service.http.get("/api/schema/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    promised = {
        "/api/events", "/api/events/{event_id}", "/api/trips/{trip_id}", "/api/trips/{trip_id}/live", "/api/trips/{trip_id}/pledges",
        "/api/stripe/webhook", "/api/partner/keys", "/api/partner/webhooks", "/api/demo/sessions",
    }  # fmt: skip
    assert promised <= set(document["paths"])
    page = await service.http.get("/api", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "unsafe" not in page.headers["content-security-policy"]
    assert (await service.http.get("/api/docs")).status_code == 303
    assert (await service.http.get("/api/reference.js")).status_code == 200


async def test_an_event_page_carries_its_data_and_says_how_to_embed_it(service: Service) -> None:
    event = await service.event(name="</script><b>March")
    await service.trip(event)
    text = (await service.http.get(f"/e/{event['code']}", headers={"accept": "text/html"})).text
    block = text.split('<script type="application/ld+json">')[1].split("</script>")[0]
    assert json.loads(block)["name"] == "</script><b>March"
    found = re.search(r'type="application/json\+oembed"[^>]*href="([^"]+)"', text)
    assert found
    assert (await service.http.get(found[1].replace("&amp;", "&"))).json()["type"] == "link"
