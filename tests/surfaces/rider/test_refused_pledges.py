"""What a pledge is refused for: a stable code, a status, a sentence that says what to do, and nothing written."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.support.ledgers import written
from tests.support.riders import signed_in_rider
from tests.support.service import ARRIVE, Service, event_wish

UNTIL_DEADLINE = ARRIVE - timedelta(days=20)


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal that is a proper one."""
    problem = answer.json()
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["status"] == answer.status_code
    assert len(problem["detail"].split()) > 3, "a sentence, not a word"
    return answer.status_code, problem["code"]


@pytest.mark.parametrize(
    ("faulty", "code", "field"),
    [
        ({"seats": 0}, "party_size", "seats"),
        ({"seats": 9}, "party_size", "seats"),
        ({"seats": 5, "wheelchairs": 4}, "party_size", "seats"),
        ({"seats": -1, "wheelchairs": 2}, "party_size", "seats"),
        ({"seats": 1, "wheelchairs": 99}, "party_size", "wheelchairs"),
        ({"email": "ada"}, "bad_email", "email"),
        ({"email": "ada@example.org, bob@example.org"}, "bad_email", "email"),
        ({"email": "ada@@example.org"}, "bad_email", "email"),
        ({"legs": []}, "bad_legs", "legs"),
        ({"legs": ["return", "outbound"]}, "bad_legs", "legs"),
        ({"name": " "}, "invalid_input", "name"),
        ({"name": "Ada\u0000"}, "invalid_input", "name"),
        ({"phone": "1" * 41}, "invalid_input", "phone"),
        ({"needs": "x" * 1001}, "invalid_input", "needs"),
        ({"locale": "x" * 400}, "invalid_input", "locale"),
        ({"payment_method": "cash"}, "invalid_input", "payment_method"),
        ({"payment_method": "saved"}, "no_saved_card", "payment_method"),
        ({"coupon": "FREE"}, "unknown_field", "coupon"),
        ({"seats": "two"}, "invalid_input", "seats"),
        ({"stop_id": "here"}, "invalid_input", "stop_id"),
    ],
)
async def test_a_faulty_field_is_named_with_what_to_do(
    shared_service: Service, shared_trip: dict[str, Any], faulty: dict[str, Any], code: str, field: str
) -> None:
    before = await written(shared_service.pool)
    answer = await shared_service.pledge(shared_trip, **faulty)
    assert problem_of(answer) == (422, code)
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert await written(shared_service.pool) == before


@pytest.mark.parametrize("missing", ["stop_id", "name", "email", "seats"])
async def test_a_missing_field_is_named(shared_service: Service, shared_trip: dict[str, Any], missing: str) -> None:
    body = {"stop_id": shared_trip["stops"][0]["id"], "name": "Ada", "email": "ada@example.org", "seats": 1}
    del body[missing]
    answer = await shared_service.http.post(f"/api/trips/{shared_trip['id']}/pledges", json=body, headers={"Idempotency-Key": uuid4().hex})
    assert problem_of(answer) == (422, "invalid_input")
    assert [error["field"] for error in answer.json()["errors"]] == [missing]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"name": "\xff"}'])
async def test_what_is_no_json_object_is_refused(shared_service: Service, shared_trip: dict[str, Any], body: bytes) -> None:
    answer = await shared_service.http.post(
        f"/api/trips/{shared_trip['id']}/pledges",
        content=body,
        headers={"Idempotency-Key": uuid4().hex, "content-type": "application/json"},
    )
    status, _ = problem_of(answer)
    assert status in {400, 422}


async def test_an_unknown_trip_is_not_found(shared_service: Service, shared_trip: dict[str, Any]) -> None:
    before = await written(shared_service.pool)
    answer = await shared_service.pledge({**shared_trip, "id": str(uuid4())})
    assert problem_of(answer) == (404, "unknown_trip")
    assert await written(shared_service.pool) == before


async def test_a_stop_that_is_not_the_trips_is_refused(shared_service: Service, shared_trip: dict[str, Any]) -> None:
    other = await shared_service.trip(await shared_service.event())
    before = await written(shared_service.pool)
    for stop_id in (str(uuid4()), other["stops"][0]["id"]):
        answer = await shared_service.pledge(shared_trip, stop_id=stop_id)
        assert problem_of(answer) == (422, "unknown_stop")
    assert await written(shared_service.pool) == before


async def test_a_stop_that_waits_for_approval_takes_no_pledges(service: Service) -> None:
    trip = await service.trip(await service.event())
    proposed = await service.http.post(f"/api/trips/{trip['id']}/stops", json={"name": "Laurel", "lat": 39.099, "lon": -76.848})
    before = await written(service.pool)
    answer = await service.pledge(trip, stop_id=proposed.json()["stop"]["id"])
    assert problem_of(answer) == (409, "stop_not_approved")
    assert await written(service.pool) == before


async def test_a_draft_takes_no_pledges(shared_service: Service) -> None:
    event = await shared_service.event()
    opened = await shared_service.trip(event)
    draft = await shared_service.trip(event, opened=False, origin="Frederick")
    before = await written(shared_service.pool)
    answer = await shared_service.pledge({**draft, "stops": opened["stops"]})
    assert problem_of(answer) == (409, "trip_not_open")
    assert await written(shared_service.pool) == before


async def test_a_cancelled_trip_takes_no_pledges(shared_service: Service) -> None:
    trip = await shared_service.trip(await shared_service.event())
    await shared_service.organiser.post(f"/api/trips/{trip['id']}/cancel", json={"reason": "no bus"}, headers={"Idempotency-Key": "c"})
    before = await written(shared_service.pool)
    assert problem_of(await shared_service.pledge(trip)) == (409, "trip_closed")
    assert await written(shared_service.pool) == before


async def test_a_full_trip_says_how_many_seats_are_left(service: Service) -> None:
    trip = await service.trip(await service.event(), cap=4)
    assert (await service.pledge(trip, seats=3)).status_code == 201
    before = await written(service.pool)
    answer = await service.pledge(trip, seats=2)
    assert problem_of(answer) == (409, "trip_full")
    assert "1 of 4" in answer.json()["detail"]
    assert await written(service.pool) == before
    assert (await service.pledge(trip)).status_code == 201


async def test_one_address_has_one_live_pledge_on_a_trip_however_it_is_written(service: Service) -> None:
    trip = await service.trip(await service.event())
    assert (await service.pledge(trip, email="ada@example.org")).status_code == 201
    before = await written(service.pool)
    for same in ("ada@example.org", "ADA+bus@Example.org"):
        assert problem_of(await service.pledge(trip, email=same)) == (409, "already_pledged")
    assert await written(service.pool) == before


async def test_after_the_deadline_and_after_expiry_each_has_its_own_code(service: Service) -> None:
    trip = await service.trip(await service.event())
    await service.jump(UNTIL_DEADLINE - await now(service) + timedelta(seconds=1))
    before = await written(service.pool)
    assert problem_of(await service.pledge(trip)) == (409, "deadline_passed")
    assert await written(service.pool) == before
    await service.sweep()
    assert problem_of(await service.pledge(trip)) == (409, "trip_closed")


async def test_a_confirmed_trip_takes_no_pledges_after_booking_close(service: Service) -> None:
    trip = await service.trip(await service.event(), minimum=1)
    await service.pledged(trip)
    await service.jump(ARRIVE - timedelta(days=10) - await now(service) + timedelta(seconds=1))
    before = await written(service.pool)
    assert problem_of(await service.pledge(trip)) == (409, "booking_closed")
    assert await written(service.pool) == before


async def test_one_way_is_refused_where_the_trip_is_sold_there_and_back_only(service: Service) -> None:
    trip = await service.trip(await service.event(), price_one_way_minor=None)
    assert problem_of(await service.pledge(trip, legs=["outbound"])) == (422, "round_trip_only")


async def test_an_idempotency_key_is_needed(shared_service: Service, shared_trip: dict[str, Any]) -> None:
    body = {"stop_id": shared_trip["stops"][0]["id"], "name": "Ada", "email": "key@example.org", "seats": 1}
    before = await written(shared_service.pool)
    for headers in ({}, {"Idempotency-Key": ""}, {"Idempotency-Key": "k" * 256}):
        answer = await shared_service.http.post(f"/api/trips/{shared_trip['id']}/pledges", json=body, headers=headers)
        assert problem_of(answer) == (400, "idempotency_key_missing")
    assert await written(shared_service.pool) == before


async def test_the_same_key_and_body_give_the_same_answer_and_one_pledge(service: Service) -> None:
    trip = await service.trip(await service.event())
    first = await service.pledge(trip, key="once", email="ada@example.org")
    before = await written(service.pool)
    again = await service.pledge(trip, key="once", email="ada@example.org")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert await written(service.pool) == before


async def test_the_same_key_with_another_body_is_refused(service: Service) -> None:
    trip = await service.trip(await service.event())
    await service.pledge(trip, key="once", email="ada@example.org")
    before = await written(service.pool)
    answer = await service.pledge(trip, key="once", email="ada@example.org", seats=2)
    assert problem_of(answer) == (422, "idempotency_key_reused")
    assert await written(service.pool) == before


async def test_a_key_of_a_refused_request_is_free_again(service: Service) -> None:
    trip = await service.trip(await service.event(), cap=3)
    assert problem_of(await service.pledge(trip, key="mine", seats=4))[1] == "trip_full"
    assert (await service.pledge(trip, key="mine", seats=2)).status_code == 201


async def test_somebody_elses_pledge_cannot_be_read_changed_or_left(service: Service) -> None:
    trip = await service.trip(await service.event())
    mine, yours = (await service.pledge(trip)).json(), (await service.pledge(trip)).json()
    path = f"/api/pledges/{yours['pledge']['id']}"
    before = await written(service.pool)
    for token in (mine["manage_token"], "wrong", None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answers = [
            await service.http.get(path, headers=headers),
            await service.http.post(f"{path}/withdraw", headers=headers),
            await service.http.post(f"{path}/change", json={"seats": 2}, headers=headers),
            await service.http.post(f"{path}/card", headers=headers),
        ]
        stranger = set() if token else {(401, "sign_in_needed")}
        assert {problem_of(answer) for answer in answers} == {(404, "unknown_pledge")} | stranger
    assert await written(service.pool) == before


async def test_riders_and_strangers_cannot_do_what_organisers_do(service: Service) -> None:
    trip = await service.trip(await service.event(), opened=False)
    placed = (await service.pledge(await service.trip(await service.event()))).json()
    before = await written(service.pool)
    for headers in ({}, {"Authorization": f"Bearer {placed['manage_token']}"}):
        answers = [
            await service.http.post("/api/events", json=event_wish(), headers=headers),
            await service.http.post(f"/api/trips/{trip['id']}/open", headers=headers),
            await service.http.patch(f"/api/trips/{trip['id']}", json={"minimum": 1}, headers=headers),
            await service.http.post(
                f"/api/trips/{trip['id']}/cancel", json={"reason": "mine"}, headers={**headers, "Idempotency-Key": "x"}
            ),
        ]
        assert {problem_of(answer) for answer in answers} == {(401, "sign_in_needed")}
    assert await written(service.pool) == before


async def test_another_signed_in_rider_sees_no_pledge_but_their_own_and_organises_nothing(service: Service) -> None:
    trip = await service.trip(await service.event())
    ada, bob = await signed_in_rider(service, "ada@example.org"), await signed_in_rider(service, "bob@example.org")
    placed = (await service.pledge(trip, email="ada@example.org")).json()
    path = f"/api/pledges/{placed['pledge']['id']}"
    assert (await service.http.get(path, headers=ada)).status_code == 200, "the verified address is its own"
    before = await written(service.pool)
    for answer in (await service.http.get(path, headers=bob), await service.http.post(f"{path}/withdraw", headers=bob)):
        assert problem_of(answer) == (404, "unknown_pledge")
    for answer in (
        await service.http.post(f"/api/trips/{trip['id']}/cancel", json={"reason": "x"}, headers={**bob, "Idempotency-Key": "x"}),
        await service.http.patch(f"/api/trips/{trip['id']}", json={"minimum": 1}, headers=bob),
        await service.http.get(f"/api/organiser/events/{trip['event_id']}/trips", headers=bob),
    ):
        assert problem_of(answer) == (403, "not_allowed")
    assert await written(service.pool) == before


async def now(service: Service) -> Any:
    """The database's real time, before any shift."""
    async with service.pool.acquire() as conn:
        return await conn.fetchval("SELECT clock_timestamp()")
