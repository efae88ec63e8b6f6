"""The operators' and organisers' dispatch over HTTP."""

from typing import Any
from uuid import UUID, uuid4

import httpx

from tests.support.dispatch_stage import Stage


async def offers_of(client: httpx.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await client.get("/api/operator/offers", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def dispatch_of(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = (await stage.service.organiser.get(f"/api/events/{stage.world.event_id}/dispatch")).json()
    return found


async def all_offers(stage: Stage) -> list[tuple[httpx.AsyncClient, dict[str, Any]]]:
    return [(client, offer) for client in stage.operators.values() for offer in await offers_of(client, state="sent")]


async def test_a_whole_dispatch_with_a_decline_over_http(stage: Stage) -> None:
    await stage.plan()
    seen = await dispatch_of(stage)
    assert (seen["stage"], seen["paid_people"], seen["seated_people"]) == ("offering", 60, 0)
    offered = await all_offers(stage)
    assert sum(offer["duty"]["people_outbound"] for _, offer in offered) == 60

    client, offer = offered[0]
    answer = await client.post(f"/api/operator/offers/{offer['id']}/decline", json={"reason": "busy"})
    assert (answer.status_code, answer.json()["state"]) == (200, "declined")
    assert (await dispatch_of(stage))["stage"] == "planning"
    async with stage.pool.acquire() as conn:
        await conn.execute("UPDATE timers SET due_at = busload_now() WHERE kind = 'replan'")
    await stage.service.sweep()
    await stage.work()

    for yes, wanted in await all_offers(stage):
        answer = await yes.post(f"/api/operator/offers/{wanted['id']}/accept")
        assert answer.status_code == 200, answer.text
    seen = await dispatch_of(stage)
    assert (seen["stage"], seen["seated_people"], seen["trips_by_state"]) == ("settled", 60, {"allocated": 3})
    assert all(sum(duty["hire_by_trip"].values()) == duty["hire_minor"] for duty in seen["duties"])


async def test_net_pay_comes_with_lines_that_sum_to_it_and_the_published_ladder(stage: Stage) -> None:
    await stage.plan()
    for _, offer in await all_offers(stage):
        assert sum(line["amount_minor"] for line in offer["quote"]) == offer["net_minor"]
        assert [step["percent"] for step in offer["pull_out_ladder"]] == [0, 10, 25, 50, 100]
        assert 0 < offer["duty"]["dead_distance_m"] < offer["duty"]["distance_m"]


async def test_somebody_elses_offer_is_not_there(stage: Stage) -> None:
    await stage.plan()
    mine, offer = (await all_offers(stage))[0]
    other = next(client for client in stage.operators.values() if client is not mine)
    for method, path, body in (
        ("GET", "", None),
        ("POST", "/accept", None),
        ("POST", "/decline", {"reason": "price"}),
        ("POST", "/pull-out", {}),
    ):
        answer = await other.request(method, f"/api/operator/offers/{offer['id']}{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_offer"), path
    assert (await stage.service.http.get("/api/operator/offers")).status_code == 401
    assert (await stage.service.organiser.get("/api/operator/offers")).status_code == 403
    assert (await mine.post(f"/api/events/{stage.world.event_id}/dispatch")).status_code == 403


async def test_bad_answers_have_their_own_problem_types(stage: Stage) -> None:
    await stage.plan()
    client, offer = (await all_offers(stage))[0]
    address = f"/api/operator/offers/{offer['id']}"
    wrong = await client.post(f"{address}/decline", json={"reason": "bored"})
    assert wrong.status_code == 422
    extra = await client.post(f"{address}/decline", json={"reason": "price", "why": "?"})
    assert (extra.status_code, extra.json()["code"]) == (422, "unknown_field")
    assert (await client.post(f"{address}/accept")).status_code == 200
    twice = await client.post(f"{address}/accept")
    assert (twice.status_code, twice.json()["type"]) == (409, "/problems/offer_already_accepted")
    unknown = await client.post(f"/api/operator/offers/{uuid4()}/accept")
    assert unknown.status_code == 404


async def test_offers_come_in_pages(stage: Stage) -> None:
    await stage.plan()
    client = next(iter([one for one in stage.operators.values() if await offers_of(one)]))
    first = (await client.get("/api/operator/offers", params={"limit": 1})).json()
    assert len(first["items"]) == 1
    second = await client.get("/api/operator/offers", params={"limit": 1, "cursor": first["next_cursor"] or ""})
    assert second.status_code == 200
    bad = await client.get("/api/operator/offers", params={"cursor": "not-ours"})
    assert (bad.status_code, bad.json()["code"]) == (422, "bad_cursor")


async def test_a_fleet_is_kept_through_the_api(stage: Stage) -> None:
    client = stage.operators[stage.world.operators[0]]
    depot = (await client.post("/api/operator/depots", json={"name": "South yard", "lat": 38.8, "lon": -77.1})).json()
    wish = {"depot_id": depot["id"], "plate": "NEW 1", "name": "Neoplan", "seats": 53, "wheelchair_places": 1, "rules": "us-fmcsa-395.5"}
    made = await client.post("/api/operator/vehicles", json=wish)
    assert (made.status_code, made.json()["depot"]) == (201, "South yard")
    again = await client.post("/api/operator/vehicles", json=wish)
    assert (again.status_code, again.json()["code"]) == (409, "plate_taken")
    odd = await client.post("/api/operator/vehicles", json={**wish, "plate": "NEW 2", "rules": "moon-1"})
    assert (odd.status_code, odd.json()["code"]) == (422, "unknown_rules")
    vehicle = made.json()["id"]
    card = {
        "currency": "USD",
        "valid_from": "2026-01-01",
        "call_out_minor": 1,
        "per_km_minor": 2,
        "per_h_minor": 3,
        "standby_per_h_minor": 4,
    }
    assert (await client.post(f"/api/operator/vehicles/{vehicle}/rate-cards", json=card)).status_code == 201
    span = {"kind": "blocked", "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-02T00:00:00Z"}
    entered = await client.post(f"/api/operator/vehicles/{vehicle}/availability", json=span)
    assert entered.status_code == 201, entered.text
    reverse = await client.post(f"/api/operator/vehicles/{vehicle}/availability", json={**span, "ends_at": "2029-01-01T00:00:00Z"})
    assert (reverse.status_code, reverse.json()["code"]) == (422, "bad_span")
    assert (await client.delete(f"/api/operator/availability/{entered.json()['id']}")).status_code == 204
    assert (await client.patch(f"/api/operator/vehicles/{vehicle}", json={"in_service": False})).json()["in_service"] is False
    stranger = stage.operators[stage.world.operators[1]]
    assert (await stranger.patch(f"/api/operator/vehicles/{vehicle}", json={"in_service": True})).status_code == 404


async def test_drivers_are_assigned_and_get_their_link_by_mail(stage: Stage) -> None:
    await stage.plan()
    for client, offer in await all_offers(stage):
        await client.post(f"/api/operator/offers/{offer['id']}/accept")
    operator_id, client = next((key, one) for key, one in stage.operators.items() if one is (client))
    driver = (await client.post("/api/operator/drivers", json={"name": "Maria", "email": "maria@coaches.example", "phone": "+1 2"})).json()
    [duty, *_] = (await client.get("/api/operator/duties")).json()
    answer = await client.post(f"/api/operator/duties/{duty['duty']['id']}/drivers", json={"driver_id": driver["id"]})
    assert answer.status_code == 200, answer.text
    assert [seat["name"] for seat in answer.json()["duty"]["drivers"]] == ["Maria"]
    await stage.service.work("send_mail")
    letter = next(m for m in stage.service.postbox.messages if m["To"] == "maria@coaches.example")
    link = next(word for word in letter.get_body(("plain",)).get_content().split() if "/d/" in word)
    page = await stage.service.http.get(link)
    assert page.status_code == 200
    assert isinstance(operator_id, UUID)


async def test_the_shortfall_is_approved_over_http(stage: Stage) -> None:
    async with stage.pool.acquire() as conn:
        await conn.execute("UPDATE rate_cards SET call_out_minor = 5000000")
    await stage.plan()
    seen = await dispatch_of(stage)
    assert seen["stage"] == "needs_approval"
    assert await all_offers(stage) == []
    await stage.service.work("send_mail")
    asked = next(m for m in stage.service.postbox.messages if "waits for you" in m["Subject"])
    assert f"/organiser/events/{seen['event_code']}/dispatch" in asked.get_body(("plain",)).get_content()
    address = f"/api/events/{stage.world.event_id}/shortfall/approve"
    assert (await stage.service.organiser.post(address, json={"shortfall_minor": seen["shortfall_minor"]})).status_code == 400
    key = {"Idempotency-Key": uuid4().hex}
    other = await stage.service.organiser.post(address, json={"shortfall_minor": 1}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "shortfall_changed")
    done = await stage.service.organiser.post(address, json={"shortfall_minor": seen["shortfall_minor"]}, headers=key)
    assert done.status_code == 200, done.text
    again = await stage.service.organiser.post(address, json={"shortfall_minor": seen["shortfall_minor"]}, headers=key)
    assert again.status_code == 200, again.text
    reused = await stage.service.organiser.post(address, json={"shortfall_minor": 1}, headers=key)
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    await stage.work()
    assert await all_offers(stage)


async def test_every_mail_to_operators_renders_with_a_link_that_opens_the_offer(stage: Stage) -> None:
    await stage.plan()
    await stage.service.work("send_mail")
    asked = [m for m in stage.service.postbox.messages if str(m["To"]).startswith("desk")]
    assert asked
    for letter in asked:
        link = next(word for word in letter.get_body(("plain",)).get_content().split() if "/operator/offer/" in word)
        page = await stage.service.http.get(link, headers={"accept": "text/html"})
        assert page.status_code == 200, page.text
