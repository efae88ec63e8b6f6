"""What every test may use: a database of one's own, a browser, and no network."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import pytest_asyncio

from app.core.database import Connection
from tests.support.chromium import HOW_TO_INSTALL, find_chromium
from tests.support.fake_stripe import FakeStripe, fake_stripe
from tests.support.network import block_network
from tests.support.server import ScratchDatabase, connect, migrated_template, scratch_database, session_server
from tests.support.service import Service, running_service

SERVER = pytest.StashKey[tuple[str, str]]()
CLOSERS = pytest.StashKey[ExitStack]()

hypothesis.settings.register_profile("busload", deadline=None)  # the machine may be busy; time is no test's subject
hypothesis.settings.load_profile("busload")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CLOSERS] = ExitStack()
    block_network()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[CLOSERS].close()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Collect what killed peers have left: in the middle of a plugin's late import it breaks the parser of Python 3.11 (SystemError)."""
    gc.collect()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if find_chromium() is None:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason=HOW_TO_INSTALL))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Runs in the xdist controller for each worker: all share the controller's server and template."""
    node.workerinput["server"] = _server_and_template(node.config)


@contextmanager
def _blocking_template(server_dsn: str) -> Iterator[str]:
    """The template's lifetime outside any test's event loop."""
    with asyncio.Runner() as runner:
        template = migrated_template(server_dsn)
        yield runner.run(template.__aenter__())
        runner.run(template.__aexit__(None, None, None))


def _server_and_template(config: pytest.Config) -> tuple[str, str]:
    """Start the session's server on first need; workers are told by their controller."""
    given = getattr(config, "workerinput", {}).get("server")
    if given:
        return (given[0], given[1])
    if SERVER not in config.stash:
        closers = config.stash[CLOSERS]
        server_dsn = closers.enter_context(session_server())
        config.stash[SERVER] = (server_dsn, closers.enter_context(_blocking_template(server_dsn)))
    return config.stash[SERVER]


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> tuple[str, str]:
    """The address of the session's database server and the name of its migrated template."""
    return _server_and_template(pytestconfig)


@pytest.fixture(scope="session")
def server_dsn(server: tuple[str, str]) -> str:
    """The address of the session's database server, on which databases may be made."""
    return server[0]


@pytest_asyncio.fixture(scope="session")
async def worker_dsn(server: tuple[str, str]) -> AsyncIterator[str]:
    """The database of this xdist worker: nothing is ever committed to it."""
    async with scratch_database(server[0], template=server[1], purpose="worker") as dsn:
        yield dsn


@pytest_asyncio.fixture(scope="session")
async def worker_connection(worker_dsn: str) -> AsyncIterator[Connection]:
    connection = await connect(worker_dsn)
    yield connection
    connection.terminate()


@asynccontextmanager
async def _rolled_back(connection: Connection) -> AsyncIterator[None]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


@pytest_asyncio.fixture
async def conn(worker_connection: Connection) -> AsyncIterator[Connection]:
    """A migrated, empty database marked `test`, in a transaction that is rolled back after the test.

    `conn.transaction()` inside is a savepoint, so flows can be driven through it; they see each other's work only through this connection.
    """
    async with _rolled_back(worker_connection):
        yield worker_connection


@pytest_asyncio.fixture
async def database(server: tuple[str, str]) -> AsyncIterator[ScratchDatabase]:
    """A migrated, empty database marked `test` of this test's own, where commits count: for concurrency and for other processes."""
    async with scratch_database(server[0], template=server[1], purpose="test") as dsn:
        scratch = ScratchDatabase(dsn)
        yield scratch
        scratch.close()


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The browser to drive; the test is skipped where there is none."""
    found = find_chromium()
    if found is None:
        pytest.skip(HOW_TO_INSTALL)
    return found


@pytest_asyncio.fixture(scope="session")
async def stripe(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FakeStripe]:
    """A fake Stripe process shared by the tests of this worker; its objects are told apart by their ids."""
    async with fake_stripe(tmp_path_factory.mktemp("stripe")) as running:
        yield running


@pytest_asyncio.fixture
async def service(database: ScratchDatabase, stripe: FakeStripe) -> AsyncIterator[Service]:
    """The real application on a real port with a database of this test's own; the test plays the worker."""
    async with running_service(database.dsn, stripe) as running:
        yield running
