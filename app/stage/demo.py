"""`busload demo`: the whole service with a world in it, from one command, gone with Ctrl-C, its data kept for the next time."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
from rich.console import Console

from app.core.clock import Mark
from app.stage.databases import create_database, drop_database, prepare_database, with_database
from app.stage.demo_state import DemoFolder
from app.stage.doors import Door, Doors, SeedWorld
from app.stage.errors import StageError
from app.stage.ports import is_free
from app.stage.postgres import kept_server
from app.stage.processes import PROJECT_ROOT, Child, Role, start_together, stop_in_order
from app.stage.roles import HOST, PARTNER_PORT_OFFSET, Addresses, inbox_role, service_settings, stripe_role, web_role, worker_role

DEFAULT_PORT = 8000
STATE = PROJECT_ROOT / ".busload"
_DATABASE = "busload_demo"
_PORTS_TRIED = 1_000
_CRASHES_BORNE = 5
_CALM_S = 60.0


def play_demo(seed: SeedWorld, *, port: int | None, reset: bool, state: Path = STATE) -> None:
    """Run the demo until Ctrl-C or `kill`, and return when everything has stopped. StageError says what is in the way."""
    console = Console()
    try:
        asyncio.run(run_demo(seed, port=port, reset=reset, console=console, state=state))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("\nStopped. The data stay for the next time.")


async def run_demo(seed: SeedWorld, *, port: int | None, reset: bool, console: Console, state: Path = STATE) -> None:
    """Start everything, print the doors, and run until cancelled."""
    started = time.monotonic()
    folder = DemoFolder(state)
    if reset:
        _reset(folder)
    async with AsyncExitStack() as closing:
        _cancel_on_termination()
        dsn = await closing.enter_async_context(_demo_database(folder))
        addresses = _addresses(port, console)
        shared = folder.prepare()
        settings = service_settings(dsn, addresses, shared)
        children: list[Child] = []
        closing.push_async_callback(stop_in_order, children)

        async def begin(*roles: Role) -> None:
            starting = [Child(role, log_folder=folder.logs) for role in roles]
            children.extend(starting)
            await start_together(starting)

        with console.status("Setting the stage ..."):
            outside = (stripe_role(addresses, shared, folder.stripe_journal), inbox_role(addresses, folder.mails))
            await begin(*outside, web_role(settings, addresses))
            doors = await seed(settings)
            folder.note_complete()
            partner_port = addresses.web_port + PARTNER_PORT_OFFSET
            await begin(worker_role(settings), _partner_role(partner_port, addresses, doors))
        _print_doors(console, doors, addresses, partner_port, started)
        await asyncio.gather(*(_keep_running(child, console) for child in children))


def _reset(folder: DemoFolder) -> None:
    given = os.environ.get("DATABASE_URL")
    if given:
        raise StageError("DATABASE_URL names a database that is not ours to delete: empty it yourself, then run the demo without --reset")
    folder.forget(with_database=True)


@asynccontextmanager
async def _demo_database(folder: DemoFolder) -> AsyncIterator[str]:
    """Yield the address of the migrated database marked `demo`: DATABASE_URL's, else one on the embedded server.

    What an interrupted first start has left half made is dropped; in a database that was given, the seeding says so itself.
    """
    given = os.environ.get("DATABASE_URL")
    if given:
        await prepare_database(given, Mark.DEMO)
        yield given
        return
    with kept_server(folder.state) as server:
        if not folder.is_complete:
            await drop_database(server.dsn(), _DATABASE)
            folder.forget(with_database=False)
        if not await _exists(server.dsn(), _DATABASE):
            await create_database(server.dsn(), _DATABASE)
        dsn = with_database(server.dsn(), _DATABASE)
        await prepare_database(dsn, Mark.DEMO)
        yield dsn


async def _exists(server_dsn: str, name: str) -> bool:
    connection = await asyncpg.connect(server_dsn)
    try:
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name))
    finally:
        await connection.close()


def _addresses(port: int | None, console: Console) -> Addresses:
    """Return the same ports in every run where they are free, so that links of the last run still lead somewhere."""
    if port and not _all_free(port):
        raise StageError(
            f"one of the ports {port} to {port + PARTNER_PORT_OFFSET} is taken: choose others with --port (make demo PORT=...)"
        )
    bases = [port] if port else range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED, 10)
    base = next((base for base in bases if _all_free(base)), None)
    if base is None:
        raise StageError("no five free ports in a row from 8000 on: choose others with --port (make demo PORT=...)")
    if base != (port or DEFAULT_PORT):
        console.print(f"Port {DEFAULT_PORT} or one of the next four is taken, using {base} and up.")
    return Addresses(web_port=base, stripe_port=base + 1, inbox_port=base + 2, smtp_port=base + 3)


def _all_free(base: int) -> bool:
    return all(is_free(base + offset) for offset in range(PARTNER_PORT_OFFSET + 1))


def _partner_role(port: int, addresses: Addresses, doors: Doors) -> Role:
    arguments = (
        "--port", str(port), "--service-url", addresses.base_url, "--event", doors.widget_event, "--key", doors.widget_key,
        "--name", doors.widget_event_name, "--place", doors.widget_event_place,
    )  # fmt: skip
    return Role(name="partner-site", module="app.stage.partner_site", arguments=arguments, ready_url=f"http://{HOST}:{port}/")


def _print_doors(console: Console, doors: Doors, addresses: Addresses, partner_port: int, started: float) -> None:
    """Print one address per role. Plain lines: a table would break long addresses, which people click and copy."""
    outside = (
        Door(role="Partner's own page", url=f"http://{HOST}:{partner_port}/", note="another site, with the widget in it"),
        Door(role="Inbox", url=f"{addresses.inbox_url}/", note="every mail the service sends"),
        Door(role="Fake Stripe", url=f"{addresses.stripe_url}/_stage/books", note="its books: cards, charges, refunds"),
    )
    console.print(f"\n[bold]Busload is running[/bold] (ready after {time.monotonic() - started:.0f} s). Each address signs you in.\n")
    for door in (*doors.doors, *outside):
        console.print(f"  [bold]{door.role}[/bold]: {door.note}", highlight=False, soft_wrap=True)
        console.print(f"    {door.url}", style="cyan", highlight=False, soft_wrap=True)
    console.print(
        "\nCtrl-C stops everything; the data stay for the next `make demo`. `make demo-reset` starts over.\n",
        highlight=False,
        soft_wrap=True,
    )


async def _keep_running(child: Child, console: Console) -> None:
    """Start a process again when it ends by itself; give up when it keeps doing so."""
    crashes = 0
    while True:
        began = time.monotonic()
        status = await child.wait()
        crashes = crashes + 1 if time.monotonic() - began < _CALM_S else 1
        if crashes > _CRASHES_BORNE:
            raise StageError(f"{child.role.name} keeps ending ({status}); the end of {child.log_path}:\n{child.log_tail()}")
        console.print(f"{child.role.name} ended ({status}); starting it again.", highlight=False)
        await child.start()


def _cancel_on_termination() -> None:
    """Treat Ctrl-C, `kill` and a closed terminal alike. SIGINT too: a shell starts background jobs with it ignored."""
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
