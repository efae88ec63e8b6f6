"""A whole service of one's own: database, web, worker, fake Stripe and inbox, made for one purpose and gone after it."""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from app.core.clock import Mark
from app.stage.chaos.disk import BoundedDisk, NoBoundedDisk, bounded_server, keep_wal_small
from app.stage.chaos.proxy import DatabaseProxy
from app.stage.databases import create_database, drop_database, prepare_database
from app.stage.postgres import EmbeddedPostgres, temporary_server
from app.stage.processes import PROJECT_ROOT, Child, child_environment, start_together, stop_in_order
from app.stage.roles import Addresses, Secrets, inbox_role, new_addresses, new_secrets, service_settings, stripe_role, web_role, worker_role

CHAOS_SILENCE_S = 12  # a stack for chaos has no slow statements to wait for, and many faults to come


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """What a command-line call gave."""

    status: int
    stdout: str
    stderr: str


class PrivateStack(msgspec.Struct, frozen=True, kw_only=True):
    """A running private service. Its children may be killed and started again; whatever runs at the end is stopped.

    settings: the environment of `serve` and `worker`, complete. server: the embedded server when the stack has its own, for fault tests.
    proxy, disk: for a stack made for chaos, the proxy that web and worker reach the database through, and the server's bounded disk.
    """

    dsn: str
    addresses: Addresses
    shared: Secrets
    settings: dict[str, str]
    folder: Path
    server: EmbeddedPostgres | None
    proxy: DatabaseProxy | None
    disk: BoundedDisk | None
    stripe: Child
    inbox: Child
    web: Child
    worker: Child

    @property
    def base_url(self) -> str:
        """Where people and clients reach the service."""
        return self.addresses.base_url

    @property
    def stripe_url(self) -> str:
        """The fake Stripe."""
        return self.addresses.stripe_url

    @property
    def inbox_url(self) -> str:
        """The mails: `GET /api/messages?to=`."""
        return self.addresses.inbox_url

    @property
    def children(self) -> list[Child]:
        """Every process, in the order of their start."""
        return [self.stripe, self.inbox, self.web, self.worker]

    async def run_cli(self, *arguments: str) -> Finished:
        """Run `busload ARGUMENTS...` against this stack and return what it gave."""
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app.cli", *arguments, cwd=PROJECT_ROOT, env=child_environment(self.settings),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        stdout, stderr = await child.communicate()
        assert child.returncode is not None
        return Finished(status=child.returncode, stdout=stdout.decode(), stderr=stderr.decode())


@asynccontextmanager
async def private_stack(
    *,
    mark: Mark = Mark.TEST,
    server_dsn: str | None = None,
    template: str | None = None,
    stripe_options: tuple[str, ...] = (),
    for_chaos: bool = False,
    silence_s: int = CHAOS_SILENCE_S,
) -> AsyncIterator[PrivateStack]:
    """Start a stack and stop it at the end; nothing of it remains, not even its database.

    server_dsn: a server to make the database on; None: DATABASE_URL's, else an embedded one of its own. template: an already migrated and
    marked database to copy. stripe_options: the fake's faults, as on its command line. for_chaos: processes reach the
    database through a proxy and hang up on it after `silence_s`, and an own server lies on a bounded disk where one can be mounted.
    On an error the ends of all logs are added to it.
    """
    async with AsyncExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="busload-stack-")))
        server, disk = None, None
        server_dsn = server_dsn or os.environ.get("DATABASE_URL")
        if server_dsn is None:
            server, disk = await _own_server(closing, for_chaos=for_chaos)
            server_dsn = server.dsn()
        dsn = await closing.enter_async_context(_database(server_dsn, mark, template))
        proxy = await closing.enter_async_context(DatabaseProxy(dsn)) if for_chaos else None
        stack = _assemble(dsn, folder, server, stripe_options, proxy, disk, silence_s)
        closing.push_async_callback(stop_in_order, stack.children)
        await start_together(stack.children)
        try:
            yield stack
        except Exception as error:
            for child in stack.children:
                error.add_note(f"--- the end of {child.role.name}'s log:\n{child.log_tail()}")
            raise


async def _own_server(closing: AsyncExitStack, *, for_chaos: bool) -> tuple[EmbeddedPostgres, BoundedDisk | None]:
    if for_chaos:
        try:
            server, disk = closing.enter_context(bounded_server())
        except NoBoundedDisk:
            pass
        else:
            await keep_wal_small(server)
            return server, disk
    return closing.enter_context(temporary_server()), None


def _assemble(
    dsn: str,
    folder: Path,
    server: EmbeddedPostgres | None,
    stripe_options: tuple[str, ...],
    proxy: DatabaseProxy | None,
    disk: BoundedDisk | None,
    silence_s: int,
) -> PrivateStack:
    addresses, shared = new_addresses(), new_secrets()
    settings = service_settings(dsn, addresses, shared, stripe_options)
    if proxy is not None:
        settings |= {"DATABASE_URL": proxy.dsn, "BUSLOAD_DATABASE_SILENCE_S": str(silence_s)}
    return PrivateStack(
        dsn=dsn,
        addresses=addresses,
        shared=shared,
        settings=settings,
        folder=folder,
        server=server,
        proxy=proxy,
        disk=disk,
        stripe=Child(stripe_role(addresses, shared, folder / "stripe.journal", stripe_options), log_folder=folder),
        inbox=Child(inbox_role(addresses, folder / "mails"), log_folder=folder),
        web=Child(web_role(settings, addresses), log_folder=folder),
        worker=Child(worker_role(settings), log_folder=folder),
    )


@asynccontextmanager
async def _database(server_dsn: str, mark: Mark, template: str | None) -> AsyncIterator[str]:
    name = f"busload_private_{secrets.token_hex(6)}"
    dsn = await create_database(server_dsn, name, template=template or "template0")
    try:
        await prepare_database(dsn, mark)
        yield dsn
    finally:
        await drop_database(server_dsn, name)
