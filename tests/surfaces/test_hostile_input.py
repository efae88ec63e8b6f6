"""Every JSON route with everything that does not belong into its fields: refused with a code, or taken; never an error of ours."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import pytest_asyncio
from litestar.enums import RequestEncodingType
from litestar.exceptions import ValidationException
from litestar.params import BodyKwarg
from litestar.routes import HTTPRoute
from msgspec import inspect

from app.main import build_app
from app.web.bodies import read_json
from tests.support.day_service import day_settings
from tests.support.fake_stripe import FakeStripe
from tests.support.server import scratch_database
from tests.support.service import running_service
from tests.surfaces.access import ACCESS
from tests.surfaces.house import House, open_house
from tests.surfaces.test_authorization import address, json_bodies

HOSTILE: list[Any] = [
    *("", "a\x00b", "\ud800", "a\rBcc: mole@x.example", "x" * 10_000, "America", "2030-01-01T00:00:00", "9999-12-31T23:59:59-23:59"),
    *("0001-01-01T00:00:00+23:59", -1, 1.5, 2**31, 10**40, None, [], [{}], [[10**30, 10**29]]),
]


@pytest_asyncio.fixture(scope="module")
async def house(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[House]:
    async with (
        scratch_database(server[0], template=server[1], purpose="hostile") as dsn,
        running_service(dsn, stripe) as service,
        open_house(service) as opened,
    ):
        yield opened


def bodies(house: House) -> dict[str, Any]:
    """A good body for each route that takes one, riders' included."""
    own = house.paths
    pledge = {"stop_id": own["stop_id"], "name": "Ada", "email": "ada@example.org", "seats": 1, "wheelchairs": 0, "legs": ["outbound"]}
    stop = {"name": "Corner", "lat": 41.0, "lon": -87.0, "address": "1 Street", "insist": True}
    return {
        **json_bodies(house),
        "POST /api/trips/{trip_id:uuid}/pledges": {**pledge, "phone": "1", "needs": "", "locale": "en", "payment_method": None},
        "POST /api/trips/{trip_id:uuid}/stops": stop,
        "POST /api/demo/sessions": {"role": "organiser", "code": None},
    }


def faulty(body: dict[str, Any]) -> list[str]:
    """The body with one field at a time replaced, as JSON that may hold what Python's own would refuse to."""
    return [json.dumps({**body, field: value}) for field in body for value in HOSTILE]


@pytest.mark.parametrize(
    ("route", "field", "value"),
    [
        ("POST /api/events", "name", "x" * 10_000),
        ("POST /api/events", "name", "March\rBcc: mole@x.example"),
        ("POST /api/events", "zone", "America"),
        ("POST /api/events", "starts_at", "2030-06-01T17:00:00"),
        ("POST /api/events", "lat", 91),
        ("POST /api/events", "fee_bp", -1),
        ("POST /api/events/{event_id:uuid}/trips", "origin", "a\nb"),
        ("POST /api/events/{event_id:uuid}/trips", "price_both_minor", 10**15),
        ("POST /api/events/{event_id:uuid}/trips", "deadline_at", "2030-05-01T00:00:00"),
        ("PATCH /api/trips/{trip_id:uuid}", "deadline_at", "9999-12-31T23:59:59-23:59"),
        ("POST /api/events/{event_id:uuid}/move", "starts_at", "2030-06-01T17:00:00"),
        ("POST /api/operator/depots", "name", "x" * 10_000),
        ("POST /api/operator/vehicles", "plate", "x" * 10_000),
        ("POST /api/operator/vehicles/{vehicle_id:uuid}/availability", "starts_at", "2031-02-01T00:00:00"),
        ("POST /api/operator/drivers", "name", "a\nb"),
        ("POST /api/trips/{trip_id:uuid}/stops", "address", "a\nb"),
        ("POST /api/trips/{trip_id:uuid}/pledges", "seats", 1.5),
        ("POST /api/trips/{trip_id:uuid}/pledges", "seats", -1),
        ("POST /api/trips/{trip_id:uuid}/pledges", "email", "a@x.example\nBcc: mole@x.example"),
        ("POST /api/trips/{trip_id:uuid}/pledges", "name", "x" * 10_000),
        ("POST /api/driver/positions", "positions", [{"at": "2027-01-16T05:40:00", "lat": 1.0, "lon": 1.0, "accuracy_m": 5.0}]),
        ("POST /api/driver/positions", "positions", [{"at": "2027-01-16T05:40:00Z", "lat": 91, "lon": 1.0, "accuracy_m": 5.0}]),
    ],
)
async def test_a_value_that_cannot_be_meant_is_refused_by_its_field(house: House, route: str, field: str, value: object) -> None:
    client = house.clients[next((role for role in sorted(ACCESS[route]) if role != "*"), "anonymous")]
    body = {**bodies(house)[route], field: value}
    answer = await client.request(
        route.split(" ", maxsplit=1)[0], address(route, house, ""), json=body, headers={"Idempotency-Key": uuid4().hex}
    )
    assert answer.status_code == 422, answer.text
    assert any(error["field"].startswith(field) for error in answer.json()["errors"]) or answer.json()["code"] == "bad_span", answer.text


async def test_nothing_sent_in_a_field_breaks_anything(house: House) -> None:
    broken = []
    for route, body in bodies(house).items():
        client = house.clients[next((role for role in sorted(ACCESS[route]) if role != "*"), "anonymous")]
        method, path = route.split(" ")[0], address(route, house, "")
        for text in [*faulty(body), "", "[]", "null", "{", '"x"', "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")]:
            headers = {"Content-Type": "application/json", "Idempotency-Key": uuid4().hex}
            answer = await client.request(method, path, content=text.encode("latin-1"), headers=headers)
            kind = answer.headers["content-type"]
            if answer.status_code >= 500 or (answer.status_code >= 400 and kind != "application/problem+json"):
                broken.append(f"{route} {text}: {answer.status_code} {kind}")
            elif answer.status_code == 422 and answer.json()["code"] == "invalid_input" and not answer.json()["errors"]:
                broken.append(f"{route} {text}: names no field")
    assert broken == [], "\n".join(broken)


def body_types() -> dict[str, Any]:
    """The type of each route's JSON body."""
    found = {}
    for route in build_app(day_settings("postgresql://nowhere", 1)).routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                data = handler.parsed_data_field
                if data and isinstance(data.kwarg_definition, BodyKwarg) and data.kwarg_definition.media_type == RequestEncodingType.JSON:
                    found[f"{method} {route.path}"] = data.annotation
    return found


def misfits(kind: inspect.Type, good: Any) -> Iterator[tuple[str, Any]]:
    """A good value with one part of another JSON type in it at a time, though of the same meaning; and the part's path."""
    parts = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    if any(isinstance(part, inspect.StrType | inspect.AnyType) for part in parts):
        return
    for part in parts:
        match part:
            case inspect.BoolType():
                yield from [("", "true"), ("", 1)]
            case inspect.IntType() | inspect.FloatType():
                yield "", "1"
            case inspect.DateTimeType():
                yield "", 1_900_000_000
            case inspect.StructType() if isinstance(good, dict):
                for field in part.fields:
                    name = field.encode_name
                    yield from ((f".{name}{path}", {**good, name: wrong}) for path, wrong in misfits(field.type, good.get(name)))
            case inspect.ListType() if good:
                yield from ((f"[0]{path}", [wrong, *good[1:]]) for path, wrong in misfits(part.item_type, good[0]))
            case inspect.TupleType() if good:
                yield from ((f"[0]{path}", [wrong, *good[1:]]) for path, wrong in misfits(part.item_types[0], good[0]))


async def test_text_is_no_number_and_no_boolean_in_any_json_body(house: House) -> None:
    tried, taken = 0, []
    good = bodies(house)
    for route, kind in body_types().items():
        client = house.clients[next((role for role in sorted(ACCESS[route]) if role != "*"), "anonymous")]
        method, path = route.split(" ")[0], address(route, house, "")
        for field, body in misfits(inspect.type_info(kind), good.get(route, {})):
            tried += 1
            answer = await client.request(method, path, json=body, headers={"Idempotency-Key": uuid4().hex})
            if answer.status_code != 422 or [error["field"] for error in answer.json()["errors"]] != [field.removeprefix(".")]:
                taken.append(f"{route} {field}: {answer.status_code} {answer.text}")
    assert taken == [], "\n".join(taken)
    assert tried > 60


def test_a_whole_number_may_be_written_with_a_point() -> None:
    class Row(msgspec.Struct):
        seats: int
        lat: float

    assert read_json(b'{"seats": 2.0, "lat": 41}', Row) == Row(seats=2, lat=41.0)
    with pytest.raises(ValidationException) as refused:
        read_json(b'{"seats": 2.5, "lat": 41}', Row)
    assert refused.value.extra == [{"message": "Expected `int`, got `float` - at `$.seats`"}]
