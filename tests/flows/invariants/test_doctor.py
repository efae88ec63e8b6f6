"""The doctor: every part it looks at is found well or unwell by itself, over the command line's flow and over HTTP."""

import asyncio

import msgspec
import pytest

from app.flows.doctor import Finding, examine
from app.flows.invariants import read_invariants
from app.settings import Settings
from app.stage.ports import free_port
from tests.support.server import ScratchDatabase, scratch_database
from tests.support.service import Service


def named(findings: list[Finding], check: str) -> Finding:
    return next(finding for finding in findings if finding.check == check)


async def test_everything_inside_a_running_service_is_well(service: Service) -> None:
    findings = await examine(service.settings)
    unwell = {finding.check: finding.detail for finding in findings if not finding.ok}
    assert set(unwell) == {"mail server answers"}  # a test has none
    assert [finding.check for finding in findings if finding.check.startswith("I")] == [one.name for one in read_invariants()]


async def test_a_mail_server_that_greets_is_well(service: Service) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            writer.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 ok\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        findings = await examine(msgspec.structs.replace(service.settings, smtp_url=f"smtp://127.0.0.1:{port}"))
    assert named(findings, "mail server answers").ok


async def test_a_database_that_is_not_there_is_said_first_and_the_rest_still_looked_at(service: Service) -> None:
    away = msgspec.structs.replace(service.settings, database_url=f"postgresql://busload@127.0.0.1:{free_port()}/busload")
    findings = await examine(away)
    assert not findings[0].ok
    assert findings[0].check == "database reachable"
    assert named(findings, "webhook address answers").ok


async def test_an_old_schema_is_named_with_the_command_that_mends_it(server_dsn: str, service: Service) -> None:
    async with scratch_database(server_dsn, template="template0", purpose="empty") as dsn:
        findings = await examine(msgspec.structs.replace(service.settings, database_url=dsn))
    schema = named(findings, "migrations current")
    assert not schema.ok
    assert "busload migrate" in schema.detail


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("Stripe key answers", {"stripe_api_key": "sk_live_wrong"}),
        ("Stripe key answers", {"stripe_base": f"http://127.0.0.1:{free_port()}"}),
        ("Stripe webhook secret present", {"stripe_webhook_secret": ""}),
        ("webhook address answers", {"base_url": f"http://127.0.0.1:{free_port()}"}),
    ],
)
async def test_a_part_that_does_not_answer_is_named(service: Service, check: str, changes: dict[str, str]) -> None:
    assert not named(await examine(msgspec.structs.replace(service.settings, **changes)), check).ok


async def test_an_unreachable_travel_time_server_is_named_once_there_is_a_stop(service: Service) -> None:
    settings: Settings = msgspec.structs.replace(service.settings, osrm_url=f"http://127.0.0.1:{free_port()}")
    assert named(await examine(settings), "travel-time provider answers").ok
    await service.trip(await service.event())
    assert not named(await examine(settings), "travel-time provider answers").ok


async def test_held_jobs_and_timers_that_keep_failing_are_listed_by_kind(service: Service) -> None:
    await service.pool.execute(
        "INSERT INTO pgqueuer (priority, status, entrypoint) VALUES (0, 'failed', 'send_mail'), (0, 'failed', 'send_mail')"
    )
    await service.pool.execute("INSERT INTO timers (kind, subject_id, due_at, attempts) VALUES ('replan', uuidv7(), now(), 5)")
    findings = await examine(service.settings)
    assert "2 x send_mail" in named(findings, "no job held").detail
    assert "1 x replan" in named(findings, "no timer keeps failing").detail


async def test_the_fake_stripe_on_a_live_database_is_refused(database: ScratchDatabase, service: Service) -> None:
    await service.pool.execute("UPDATE installation SET mark = 'live'")
    assert "live" in named(await examine(service.settings), "Stripe key answers").detail


async def test_over_http_everyone_may_ask_a_test_database_and_only_organisers_a_live_one(service: Service) -> None:
    diagnosis = (await service.http.get("/api/doctor")).json()
    assert diagnosis["mark"] == "test"
    assert diagnosis["violations"] == {}
    assert diagnosis["ok"] is False  # there is no mail server
    await service.pool.execute("UPDATE installation SET mark = 'live'")
    assert (await service.http.get("/api/doctor")).status_code == 401
    assert (await service.organiser.get("/api/doctor")).status_code == 200
