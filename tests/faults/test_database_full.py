"""A database that can take no more is a reason to try again, never a bug of ours; what was refused can be asked for again."""

import pytest

from tests.support.service import Service

REFUSES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = '{code}'; END $$;
CREATE TRIGGER refuse BEFORE INSERT ON pledges FOR EACH ROW EXECUTE FUNCTION refuse();
"""
FORGIVES = "DROP TRIGGER refuse ON pledges; DROP FUNCTION refuse();"
DISK_FULL, OUT_OF_MEMORY, IO_ERROR = "53100", "53200", "58030"


@pytest.mark.parametrize("code", [DISK_FULL, OUT_OF_MEMORY, IO_ERROR])
async def test_a_database_that_is_full_asks_to_try_again_and_the_same_request_then_succeeds(service: Service, code: str) -> None:
    trip = await service.trip(await service.event())
    await service.pool.execute(REFUSES.format(code=code))
    refused = await service.pledge(trip, key="the same", email="ada@example.org")
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert int(refused.headers["Retry-After"]) > 0

    await service.pool.execute(FORGIVES)
    assert (await service.pledge(trip, key="the same", email="ada@example.org")).status_code == 201
    assert (await service.trip_now(trip))["held"] == 1
