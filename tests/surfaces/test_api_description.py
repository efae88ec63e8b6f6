"""The OpenAPI document says what is true of every operation: refusals, ways in, the key of what moves money."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from tests.support.fake_stripe import FakeStripe
from tests.support.server import scratch_database
from tests.support.service import running_service

NEEDS_KEY = {
    "/api/trips/{trip_id}/pledges",
    "/api/trips/{trip_id}/cancel",
    "/api/events/{event_id}/cancel",
    "/api/events/{event_id}/shortfall/approve",
    "/api/organiser/disputes/{dispute_id}/answer",
    "/api/organiser/refunds/{refund_id}/send-again",
    "/api/organiser/refunds/{refund_id}/settle-elsewhere",
    "/api/events/{event_id}/payouts/cover",
    "/api/duties/{duty_id}/corrections",
}


@pytest_asyncio.fixture(scope="module")
async def document(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[dict[str, Any]]:
    async with scratch_database(server[0], template=server[1], purpose="api") as dsn, running_service(dsn, stripe) as service:
        yield (await service.http.get("/api/schema/openapi.json")).json()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of each operation."""
    return [(path, method, one) for path, item in document["paths"].items() for method, one in item.items()]


async def test_every_refusal_is_described_as_problem_details(document: dict[str, Any]) -> None:
    answers = document["components"]["responses"]
    for path, method, operation in operations(document):
        assert any(status.startswith("2") for status in operation["responses"]), (path, method)
        for status, answer in operation["responses"].items():
            if not status.startswith("2"):
                named = answers[answer["$ref"].rsplit("/", 1)[-1]]
                assert list(named["content"]) == ["application/problem+json"], (path, method, status)
        assert "503" in operation["responses"], (path, method)


async def test_what_is_not_for_everybody_says_how_one_is_let_in(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    open_to_all = set()
    for path, method, operation in operations(document):
        ways = [scheme for way in operation["security"] for scheme in way]
        assert set(ways) <= set(schemes), (path, method)
        if not ways:
            open_to_all.add(f"{method} {path}")
        elif ways != ["stripe"]:
            assert {"401", "403"} <= set(operation["responses"]), (path, method)
    assert open_to_all == {
        "get /api/events",
        "get /api/events/{event_id}",
        "get /api/trips/{trip_id}",
        "get /api/trips/{trip_id}/live",
        "post /api/trips/{trip_id}/stops",
        "post /api/trips/{trip_id}/pledges",
        "post /api/trips/{trip_id}/waitlist",
        "get /open/events/{code}/jsonld",
        "get /oembed",
        "post /api/demo/sessions",
    }


async def test_what_moves_money_needs_an_idempotency_key(document: dict[str, Any]) -> None:
    keyed = {
        path
        for path, _, operation in operations(document)
        for one in operation.get("parameters", [])
        if one["name"] == "Idempotency-Key" and one["required"] and one["in"] == "header"
    }
    assert keyed == NEEDS_KEY


async def test_a_stream_is_described_as_one(document: dict[str, Any]) -> None:
    answer = document["paths"]["/api/trips/{trip_id}/live"]["get"]["responses"]["200"]
    assert list(answer["content"]) == ["text/event-stream"]
