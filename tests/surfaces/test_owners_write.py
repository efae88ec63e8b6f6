"""Whoever owns something may write about it: every writing route succeeds for its owner, and its effect is in the database.

The operations of the OpenAPI document are shown by test_openapi_contract.py; here are the pages' forms and scripts.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from app.core.database import Pool
from tests.support.fake_stripe import FakeStripe
from tests.support.server import scratch_database
from tests.support.service import running_service
from tests.surfaces.access import ACCESS
from tests.surfaces.forms import Form, prepared_forms
from tests.surfaces.house import House, open_house
from tests.surfaces.test_authorization import DONE, ENDS
from tests.surfaces.welcome import plain_route

READING = ("GET ", "HEAD ")


@pytest_asyncio.fixture(scope="module")
async def house(server: tuple[str, str], stripe: FakeStripe) -> AsyncIterator[House]:
    async with (
        scratch_database(server[0], template=server[1], purpose="owners") as dsn,
        running_service(dsn, stripe) as service,
        open_house(service) as opened,
    ):
        yield opened


@pytest_asyncio.fixture(scope="module")
async def forms(house: House) -> AsyncIterator[dict[str, Form]]:
    async with prepared_forms(house) as prepared:
        yield prepared


async def rows_of(pool: Pool, table: str) -> list[Any]:
    """What is in a table, by row: another list means that something was written."""
    return [tuple(row) for row in await pool.fetch(f"SELECT ctid::text, xmin::text FROM {table} ORDER BY 1")]


async def test_every_writing_route_has_an_owner_who_succeeds_with_it(house: House, forms: dict[str, Form]) -> None:
    document = (await house.service.http.get("/api/schema/openapi.json")).json()
    shown_there = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    elsewhere = {route for route in ACCESS if not route.startswith(READING) and plain_route(route) not in shown_there}
    assert set(forms) == elsewhere, "tests/surfaces/forms.py needs one line for each writing route that is not in the OpenAPI document"


async def test_every_owner_may_write_and_it_is_done(house: House, forms: dict[str, Form]) -> None:
    faults = []
    for route, form in sorted(forms.items(), key=lambda line: any(word in line[0] for word in ENDS)):
        before = await rows_of(house.service.pool, form.changes)
        answer = await form.post(house, route)
        if answer.status_code not in DONE:
            faults.append(
                f"{route}: {answer.status_code} {answer.text[-1500:] if 'html' in answer.headers['content-type'] else answer.text}"
            )
        elif await rows_of(house.service.pool, form.changes) == before:
            faults.append(f"{route}: {answer.status_code} {answer.headers.get('location')}, but {form.changes} are as before")
    assert not faults, "\n".join(faults)
