"""More people than a trip can take in a moment: places in line, in order, kept, and nothing but the documented refusal."""

import asyncio
import time
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import pytest_asyncio

from app.core.database import Pool
from app.core.errors import Place, WaitingRoom
from app.flows.pledge_queue import PledgeQueue, pledge_queue
from app.flows.pledge_wish import PledgeRequest
from app.flows.waiting_places import Ticket, read_ticket, sign_ticket
from tests.support.batches import request_of
from tests.support.ledgers import assert_sound
from tests.support.server import ScratchDatabase
from tests.support.service import Service
from tests.support.threshold import SECRET, Sale, on_sale, read

SLOW_PER_S = 5.0
PATIENCE_S = 60.0


@pytest_asyncio.fixture
async def pool(database: ScratchDatabase) -> Pool:
    return await database.pool(size=12)


def ticket_for(**other: Any) -> Ticket:
    return Ticket(**{"trip_id": uuid4(), "key": "mine", "number": 7, "expires_s": int(time.time()) + 60, **other})


def test_a_ticket_is_good_as_signed_until_it_expires() -> None:
    ticket = ticket_for()
    token = sign_ticket(SECRET, ticket)
    assert read_ticket(SECRET, token, now_s=time.time()) == ticket
    assert read_ticket(SECRET, token, now_s=ticket.expires_s + 1) is None
    assert read_ticket("another secret", token, now_s=time.time()) is None


@pytest.mark.parametrize("token", [None, "", "x", "é", "A" * 44, "A" * 4000])
def test_what_is_no_ticket_is_none(token: str | None) -> None:
    assert read_ticket(SECRET, token, now_s=0) is None


def test_a_changed_ticket_is_none() -> None:
    ticket = ticket_for()
    ours, other = sign_ticket(SECRET, ticket), sign_ticket(SECRET, msgspec.structs.replace(ticket, number=1))
    assert read_ticket(SECRET, ours[:43] + other[43:], now_s=0) is None


async def place_given(queue: PledgeQueue, sale: Sale, request: PledgeRequest, token: str | None = None) -> Place:
    """The place a request gets instead of an answer."""
    with pytest.raises(WaitingRoom) as refused:
        await queue.place(sale.trip_id, request, token=token)
    return refused.value.place


async def insist(queue: PledgeQueue, sale: Sale, request: PledgeRequest, place: Place | None, served: list[int]) -> None:
    """As a client does: again with the place's token until it is served."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        try:
            await queue.place(sale.trip_id, request, token=place.token if place else None)
        except WaitingRoom as refused:
            if place is not None and refused.place.number != place.number:
                raise AssertionError("a place was not kept") from refused
            place = refused.place
            await asyncio.sleep(0.05)
            continue
        served.append(place.number if place else 0)
        return
    raise AssertionError("never served")


async def test_who_comes_when_the_queue_is_too_long_gets_a_place_keeps_it_and_is_let_in_in_order(pool: Pool) -> None:
    sale = await on_sale(pool, minimum=200, cap=300)
    queue = pledge_queue(pool, secret=SECRET, first_rate_per_s=SLOW_PER_S)
    async with pool.acquire() as busy, busy.transaction():
        await busy.execute("SELECT FROM trips WHERE id = $1 FOR UPDATE", sale.trip_id)  # the trip takes nobody for a while
        inside: list[asyncio.Task[Any]] = []
        line: list[tuple[PledgeRequest, Place]] = []
        while len(line) < 12:  # the queue fills to what it could serve in 2 s, then places are given
            request = request_of(sale, f"rider-{len(inside)}-{len(line)}")
            task = asyncio.create_task(queue.place(sale.trip_id, request))
            done, _ = await asyncio.wait([task], timeout=0.05 if not line else 5.0)
            if not done:
                inside.append(task)
            else:
                error = task.exception()
                assert isinstance(error, WaitingRoom)
                line.append((request, error.place))
        assert 1 <= len(inside) <= 2 * SLOW_PER_S + 2
        assert [place.number for _, place in line] == list(range(1, 13))
        again = await place_given(queue, sale, line[4][0], line[4][1].token)
        assert again.number == 5
        stranger = await place_given(queue, sale, request_of(sale, "thief"), line[0][1].token)
        assert stranger.number > 12, "another request's place is no place"
    await asyncio.gather(*inside)
    served: list[int] = []
    await asyncio.gather(*(insist(queue, sale, request, place, served) for request, place in line))
    await queue.close()
    assert sorted(served) == list(range(1, 13))
    assert (await read(pool, sale)).held == len(inside) + 12
    await assert_sound(pool)


async def test_ten_times_what_a_trip_takes_ends_in_pledges_and_places_only_over_two_processes(
    pool: Pool, database: ScratchDatabase
) -> None:
    sale = await on_sale(pool, minimum=400, cap=500)
    queues = [pledge_queue(p, secret=SECRET, first_rate_per_s=2 * SLOW_PER_S) for p in (pool, await database.pool(size=4))]
    served: list[int] = []
    crowd = [insist(queues[n % 2], sale, request_of(sale, f"rider-{n}"), None, served) for n in range(200)]
    await asyncio.gather(*crowd)
    for queue in queues:
        await queue.close()
    waited = [number for number in served if number]
    assert len(served) == 200
    assert len(waited) > 100, "2 x 10 a second fit for 2 s"
    assert len(set(waited)) == len(waited), "two processes never give the same number"
    assert (await read(pool, sale)).held == 200
    await assert_sound(pool)


async def test_over_http_a_place_is_a_429_with_its_token_and_leads_in(service: Service) -> None:
    trip = await service.trip(await service.event())
    key = uuid4().hex
    await service.pool.execute("INSERT INTO waiting_rooms (trip_id, given) VALUES ($1, 2000)", trip["id"])
    ticket = Ticket(trip_id=msgspec.convert(trip["id"], type=type(uuid4())), key=key, number=1200, expires_s=int(time.time()) + 600)
    body = {"stop_id": trip["stops"][0]["id"], "name": "Ada", "email": "ada@example.org", "seats": 1}
    headers = {"Idempotency-Key": key, "Waiting-Place": sign_ticket(SECRET, ticket)}

    refused = await service.http.post(f"/api/trips/{trip['id']}/pledges", json=body, headers=headers)
    problem = refused.json()
    assert (refused.status_code, problem.get("code")) == (429, "waiting_room"), problem
    assert int(refused.headers["retry-after"]) >= 1
    assert (problem["place"]["number"], problem["place"]["position"]) == (1200, 1200)
    headers["Waiting-Place"] = problem["place"]["token"]

    await service.http.get(f"/trips/{trip['code']}")
    service.http.cookies.set("busload_place", headers["Waiting-Place"])
    form = {**body, "key": key, "legs": "both", "wheelchairs": "0", "terms": "yes", "card": "new"}
    browser = {"accept": "text/html", "x-csrf-token": service.http.cookies["busload_csrf"], "sec-fetch-site": "same-origin"}
    page = await service.http.post(f"/trips/{trip['code']}/pledge", data=form, headers=browser)
    assert page.status_code == 429, page.text[:300]
    assert "You are in line" in page.text
    assert f'name="key" value="{key}"' in page.text, "what was typed is kept"

    until_s = time.monotonic() + PATIENCE_S
    answer = refused
    while answer.status_code == 429 and time.monotonic() < until_s:
        await asyncio.sleep(0.1)
        answer = await service.http.post(f"/api/trips/{trip['id']}/pledges", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
