"""The OpenAPI document is kept: whatever is sent gets an answer it describes, and its owner gets a described 2xx from every operation."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tests.support.fake_stripe import FakeStripe
from tests.support.server import scratch_database
from tests.support.service import running_service
from tests.surfaces.access import ACCESS
from tests.surfaces.house import House, open_house
from tests.surfaces.welcome import Welcome, prepare_welcome

EXAMPLES = 5  # of each operation for strangers' ids, and as many for its owner's
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
STREAM = "GET /api/trips/{trip_id}/live"
QUICK = settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


@pytest_asyncio.fixture(scope="module")
async def house(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[House]:
    async with (
        scratch_database(server[0], template=server[1], purpose="contract") as dsn,
        running_service(dsn, stripe) as service,
        open_house(service) as opened,
    ):
        yield opened


async def operations_of(house: House) -> dict[str, APIOperation[Any, Any, Any, Any]]:
    """`METHOD /path` of the document's operations."""
    document = (await house.service.http.get("/api/schema/openapi.json")).json()
    schema = schemathesis.openapi.from_dict(document)
    found: list[Any] = [one.ok() for one in schema.get_all_operations()]  # type: ignore[union-attr]  # a faulty one raises here
    return {f"{one.method.upper()} {one.path}": one for one in found}


def role_for(operation: str) -> str:
    """Who may call an operation: one of those whom the authorization test lets in."""
    let_in = next(roles for route, roles in ACCESS.items() if plain(route) == operation)
    return "anonymous" if "*" in let_in else min(let_in)


def plain(route: str) -> str:
    """A route's pattern as the document writes it: without the types of its parameters."""
    for kind in (":uuid", ":str", ":path"):
        route = route.replace(kind, "")
    return route


def faults_of(case: Any, response: httpx.Response) -> list[str]:
    """What the document does not say of this answer."""
    try:
        case.validate_response(response, checks=CHECKS)
    except FailureGroup as group:
        return [f"{case.method} {case.path}: {failure.title}: {failure.message}"[:600] for failure in group.exceptions]
    return []


def try_out(operation: APIOperation[Any, Any, Any, Any], client: httpx.Client, own: dict[str, str] | None) -> list[str]:
    """Generated calls of one operation, with generated ids or with the owner's own."""
    faults: list[str] = []
    fixed: dict[str, Any] = {} if not own else {"path_parameters": own}

    @QUICK
    @given(case=operation.as_strategy(**fixed))
    def call(case: Any) -> None:
        wanted = case.as_transport_kwargs(base_url=str(client.base_url))
        wanted = {name: wanted[name] for name in ("method", "url", "params", "json", "data", "headers", "cookies") if wanted.get(name)}
        if isinstance(wanted.get("data"), bytes | str):
            wanted["content"] = wanted.pop("data")
        wanted.pop("cookies", None)
        wanted["headers"] = {name: text for name, text in wanted.get("headers", {}).items() if name.lower() != "authorization"}
        faults.extend(faults_of(case, client.request(**wanted)))

    call()
    return faults


def own_parameters(operation: APIOperation[Any, Any, Any, Any], house: House) -> dict[str, str]:
    """The ids of what belongs to A, for the parameters of an operation's path."""
    names = [one.name for one in operation.path_parameters]
    return {name: house.paths[name] for name in names if name in house.paths} if all(n in house.paths for n in names) else {}


@pytest.mark.skip(reason="not finished: has not been run to its end yet, its cost is unknown")
async def test_whatever_is_sent_gets_a_described_answer(house: House) -> None:
    def all_of_them(operations: dict[str, APIOperation[Any, Any, Any, Any]]) -> list[str]:
        found: list[str] = []
        for name, operation in operations.items():
            if name == STREAM:
                continue
            with httpx.Client(
                headers=house.clients[role_for(name)].headers, base_url=house.service.http.base_url, trust_env=False, timeout=30
            ) as client:
                for own in [None, own_parameters(operation, house)] if operation.path_parameters else [None]:
                    found += try_out(operation, client, own)
        return found

    operations = await operations_of(house)
    assert len(operations) > 60
    assert await asyncio.to_thread(all_of_them, operations) == []


@pytest.mark.slow
async def test_every_operation_gives_its_owner_a_described_2xx(house: House) -> None:
    operations = await operations_of(house)
    welcome: Welcome = await prepare_welcome(house)
    faults: list[str] = []
    for name in sorted(operations, key=welcome.turn):
        response = await welcome.call(name)
        if not response.is_success:
            faults.append(f"{name}: {response.status_code} {response.text[:300]}")
            continue
        operation = operations[name]
        ids = {one.name: "any" for one in operation.path_parameters}
        case = operation.Case(method=operation.method.upper(), path_parameters=ids, headers={"Idempotency-Key": uuid4().hex})  # type: ignore[arg-type]
        faults += [f"{name}: {fault}" for fault in faults_of(case, response)]
    assert not faults, "\n".join(faults)
