"""The OpenAPI document is kept: whatever is sent gets an answer it describes, and its owner gets a described 2xx from every operation."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.support.fake_stripe import FakeStripe
from tests.support.server import scratch_database
from tests.support.service import running_service
from tests.surfaces.fuzz import DESCRIBED, Caller, Findings, Operation, faults_of, operations_in, try_out
from tests.surfaces.house import House, open_house
from tests.surfaces.welcome import Welcome, prepare_welcome

PIECES = 8
STREAM = "GET /api/trips/{trip_id}/live"


@pytest_asyncio.fixture(scope="module")
async def house(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[House]:
    async with (
        scratch_database(server[0], template=server[1], purpose="contract") as dsn,
        running_service(dsn, stripe) as service,
        open_house(service) as opened,
    ):
        yield opened


@pytest_asyncio.fixture(scope="module")
async def welcome(house: House) -> Welcome:
    return await prepare_welcome(house)


@pytest_asyncio.fixture(scope="module")
async def operations(house: House, welcome: Welcome) -> dict[str, Operation]:
    """The document's operations; what ends something comes last."""
    found = operations_in((await house.service.http.get("/api/schema/openapi.json")).json())
    assert len(found) > 80
    return {name: found[name] for name in sorted(found, key=welcome.turn)}


@pytest.mark.slow
async def test_every_operation_gives_its_owner_a_described_2xx(operations: dict[str, Operation], welcome: Welcome) -> None:
    faults: list[str] = []
    for name, operation in operations.items():
        response = await welcome.call(name)
        if not response.is_success:
            faults.append(f"{name}: {response.status_code} {response.text[:300]}")
            continue
        ids = {one.name: "any" for one in operation.path_parameters}
        case = operation.Case(method=operation.method.upper(), path_parameters=ids, headers={"Idempotency-Key": uuid4().hex})  # type: ignore[arg-type]
        faults += [f"{name}: {fault}" for fault in faults_of(case, response, DESCRIBED)]
    assert not faults, "\n".join(faults)


@pytest.mark.slow
@pytest.mark.parametrize("piece", range(PIECES))
async def test_whatever_is_sent_gets_a_described_answer(operations: dict[str, Operation], welcome: Welcome, piece: int) -> None:
    """Raise BUSLOAD_FUZZ_EXAMPLES for a longer look; the pieces keep each within the time a test may take."""
    size = -(-len(operations) // PIECES)
    findings = Findings()
    for name in list(operations)[piece * size : (piece + 1) * size]:
        await asyncio.to_thread(try_out, operations[name], caller_of(welcome, name), findings)
    print(f"statuses {dict(sorted(findings.statuses.items()))}")  # how much was tried is what pytest -s is asked for
    assert not findings.faults, "\n".join(sorted(findings.faults))
    assert {status // 100 for status in findings.statuses} >= {2, 4}, "tried on nothing"


def caller_of(welcome: Welcome, name: str) -> Caller:
    """Who may call an operation, with what is theirs."""
    house, own = welcome.house, welcome.calls.get(name, {})
    bearer = f"Bearer {own['token']}" if "token" in own else welcome.client(name).headers.get("Authorization")
    ids = house.paths | {"code": house.paths["/e/"]} | own.get("paths", {})
    own_ids = {} if name == STREAM else ids  # what it tells of a trip that exists has no end; its beginning is seen by the test above
    return Caller(base_url=str(house.service.http.base_url), bearer=bearer, own_ids=own_ids)
