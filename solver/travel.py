"""Travel times between places, behind one protocol: a default that needs no server, and OSRM's `table` service.

The default is the great circle times a detour, driven at a speed that grows with distance:
- detour 1.3: the ratio of road to straight-line distance is about 1.2 to 1.4 (Boscoe, Henry, Zdeb: "A Nationwide
  Comparison of Driving Distance Versus Straight-Line Distance to Hospitals", The Professional Geographer 64(2), 2012,
  finds 1.417 over the USA and less on longer ways; Love and Morris: "Modelling inter-city road distances by mathematical
  functions", Operational Research Quarterly 23(1), 1972, fits factors of this size);
- 28 km/h in town rising to 85 km/h beyond a few hundred kilometres, with a scale of 45 km: the speeds of the solver's
  measured event problems (docs/solver.md); the upper end leaves room below the 100 km/h coaches may drive.
- Earth's mean radius 6,371,008.8 m: IUGG, as in Moritz, "Geodetic Reference System 1980".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import httpx
import msgspec

from solver.problem import Matrix

EARTH_RADIUS_M = 6_371_008.8
DETOUR = 1.3
TOWN_KMH, ROAD_KMH, SCALE_KM = 28.0, 85.0, 45.0


class TravelTimesError(Exception):
    """A service gave no usable table; the text says what it said."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """An id and where it is, degrees."""

    id: str
    lat: float
    lon: float


class TravelTimes(Protocol):
    """Driving seconds and metres between all places, rows to columns, whole numbers, 0 on the diagonal."""

    async def table(self, places: Sequence[Place]) -> Matrix: ...


def great_circle_m(a: Place, b: Place) -> float:
    """Metres along the sphere (haversine formula)."""
    lat_a, lat_b = math.radians(a.lat), math.radians(b.lat)
    half = math.sin((lat_b - lat_a) / 2) ** 2
    half += math.cos(lat_a) * math.cos(lat_b) * math.sin(math.radians(b.lon - a.lon) / 2) ** 2
    return 2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(half)))


def road_seconds(distance_m: float) -> int:
    """Driving time of a road distance: slow near, faster far."""
    kilometres = distance_m / 1000
    kmh = TOWN_KMH + (ROAD_KMH - TOWN_KMH) * (1 - math.exp(-kilometres / SCALE_KM))
    return round(3600 * kilometres / kmh)


def crow_matrix(places: Sequence[Place]) -> Matrix:
    """The default table, computed here and now."""
    metres = [[0 if a is b else round(DETOUR * great_circle_m(a, b)) for b in places] for a in places]
    return Matrix(
        ids=tuple(place.id for place in places), distance_m=metres, duration_s=[[road_seconds(far) for far in row] for row in metres]
    )


class GreatCircle:
    """Travel times from distance alone; needs no network and always answers."""

    async def table(self, places: Sequence[Place]) -> Matrix:
        return crow_matrix(places)


class _OsrmTable(msgspec.Struct):
    code: str
    message: str = ""
    durations: list[list[float | None]] | None = None
    distances: list[list[float | None]] | None = None


class Osrm:
    """Travel times of an OSRM server (https://project-osrm.org/docs/v5.24.0/api/#table-service).

    Tables larger than `block` places a side are asked for in blocks, because servers bound a request
    (`--max-table-size`, 100 by default: a request of b sources and b destinations names 2 b coordinates).
    """

    def __init__(
        self, client: httpx.AsyncClient, base_url: str, *, profile: str = "driving", block: int = 50, timeout_s: float = 30.0
    ) -> None:
        self._client, self._base, self._profile = client, base_url.rstrip("/"), profile
        self._block, self._timeout_s = block, timeout_s

    async def table(self, places: Sequence[Place]) -> Matrix:
        """Raises TravelTimesError when the server fails, refuses, or finds no road between two places."""
        size = len(places)
        seconds, metres = ([[0] * size for _ in range(size)] for _ in range(2))
        for top in range(0, size, self._block):
            for left in range(0, size, self._block):
                rows, columns = range(size)[top : top + self._block], range(size)[left : left + self._block]
                answer = await self._block_of(places, rows, columns)
                _copy(answer.durations, seconds, places, rows, columns)
                _copy(answer.distances, metres, places, rows, columns)
        return Matrix(ids=tuple(place.id for place in places), duration_s=seconds, distance_m=metres)

    async def _block_of(self, places: Sequence[Place], rows: range, columns: range) -> _OsrmTable:
        named = sorted({*rows, *columns})
        number = {place: i for i, place in enumerate(named)}
        coordinates = ";".join(f"{places[i].lon:.6f},{places[i].lat:.6f}" for i in named)
        query = {
            "sources": ";".join(str(number[i]) for i in rows),
            "destinations": ";".join(str(number[i]) for i in columns),
            "annotations": "duration,distance",
        }
        url = f"{self._base}/table/v1/{self._profile}/{coordinates}"
        try:
            response = await self._client.get(url, params=query, timeout=self._timeout_s)
            answer = msgspec.json.decode(response.content, type=_OsrmTable)
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            raise TravelTimesError(f"the travel-time server gave no table ({type(error).__name__})") from error
        if response.is_error or answer.code != "Ok":
            raise TravelTimesError(f"the travel-time server answered {response.status_code} {answer.code} {answer.message}".strip())
        return answer


def _copy(block: list[list[float | None]] | None, into: list[list[int]], places: Sequence[Place], rows: range, columns: range) -> None:
    if block is None or len(block) != len(rows) or any(len(row) != len(columns) for row in block):
        raise TravelTimesError("the travel-time server's table has another shape than the request")
    for i, row in zip(rows, block, strict=True):
        for j, value in zip(columns, row, strict=True):
            if value is None or not math.isfinite(value) or value < 0:
                raise TravelTimesError(f"there is no road from {places[i].id} to {places[j].id}")
            into[i][j] = 0 if i == j else round(value)
