"""Travel times against a small real HTTP server that speaks OSRM's table service."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest

from solver.travel import GreatCircle, Osrm, Place, TravelTimesError, crow_matrix, great_circle_m, road_seconds

PLACES = [Place(id=f"p{i}", lat=50 + i / 10, lon=8 - i / 20) for i in range(5)]


class TableServer:
    """Answers with times that only depend on the coordinates it was sent, so that a mix-up of blocks would show."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.reply: tuple[int, bytes] | None = None

    def answer(self, target: str) -> tuple[int, bytes]:
        self.requests.append(target)
        if self.reply is not None:
            return self.reply
        parts = urlsplit(target)
        spots = [tuple(map(float, spot.split(","))) for spot in parts.path.rsplit("/", 1)[1].split(";")]
        query = parse_qs(parts.query)
        rows, columns = ([spots[int(i)] for i in query[key][0].split(";")] for key in ("sources", "destinations"))
        seconds = [[1000 * abs(a[0] - b[0]) + 2000 * abs(a[1] - b[1]) for b in columns] for a in rows]
        metres = [[10 * value for value in row] for row in seconds]
        return 200, msgspec.json.encode({"code": "Ok", "durations": seconds, "distances": metres})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        status, body = self.answer(request.split(" ")[1])
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def osrm(block: int = 50) -> AsyncIterator[tuple[TableServer, Osrm]]:
    fake = TableServer()
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, httpx.AsyncClient() as client:
        yield fake, Osrm(client, f"http://127.0.0.1:{port}", block=block, timeout_s=5)


async def test_a_table_comes_whole_and_in_whole_numbers() -> None:
    async with osrm() as (fake, times):
        matrix = await times.table(PLACES)
    assert len(fake.requests) == 1
    assert "/table/v1/driving/8.000000,50.000000;" in fake.requests[0]
    assert matrix.ids == tuple(place.id for place in PLACES)
    assert matrix.duration_s[0][2] == 500
    assert matrix.distance_m[0][2] == 5000
    assert all(matrix.duration_s[i][i] == 0 for i in range(5))


async def test_blocks_give_the_same_table_as_one_request() -> None:
    async with osrm() as (_, times):
        whole = await times.table(PLACES)
    async with osrm(block=2) as (fake, times):
        assert await times.table(PLACES) == whole
    assert len(fake.requests) == 9


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        ((400, b'{"code": "TooBig", "message": "Too many table coordinates"}'), "TooBig"),
        ((200, b"<html>"), "no table"),
        ((200, b'{"code": "Ok", "durations": [[0]], "distances": [[0]]}'), "shape"),
        ((200, msgspec.json.encode({"code": "Ok", "durations": [[None] * 5] * 5, "distances": [[0] * 5] * 5})), "no road"),
    ],
)
async def test_what_the_server_gets_wrong_is_said(reply: tuple[int, bytes], word: str) -> None:
    async with osrm() as (fake, times):
        fake.reply = reply
        with pytest.raises(TravelTimesError, match=word):
            await times.table(PLACES)


async def test_a_server_that_is_not_there_is_a_travel_times_error() -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(TravelTimesError, match="ConnectError"):
            await Osrm(client, "http://127.0.0.1:9", timeout_s=2).table(PLACES)


async def test_the_default_needs_no_server() -> None:
    assert await GreatCircle().table(PLACES) == crow_matrix(PLACES)


def test_a_degree_of_latitude_and_speeds_that_grow_with_distance() -> None:
    north = great_circle_m(Place(id="a", lat=0, lon=0), Place(id="b", lat=1, lon=0))
    assert math.isclose(north, 111_195, rel_tol=1e-4)
    speeds = [metres / road_seconds(metres) for metres in (2_000, 20_000, 200_000)]
    assert speeds == sorted(speeds)
    assert 28 / 3.6 < speeds[0] < speeds[-1] < 85 / 3.6
