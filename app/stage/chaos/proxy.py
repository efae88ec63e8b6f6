"""A small proxy before PostgreSQL that misbehaves on demand: cuts connections in the middle of a COMMIT, dawdles, falls silent, resets.

It reads just enough of the wire protocol to see a client commit: a simple query (`Q`, length, text, zero byte), as asyncpg sends it.
"""

import asyncio
import contextlib
import socket
import struct
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit, urlunsplit

CHUNK = 65_536
COMMIT = b"COMMIT;\x00"
REPLY_PATIENCE_S = 10.0


class Cut(StrEnum):
    """Where a commit is cut: before the server hears of it, or after it is done and before the client does."""

    BEFORE = "before"
    AFTER = "after"


class Wire:
    """One client's connection and its twin to the server."""

    def __init__(
        self, client: tuple[asyncio.StreamReader, asyncio.StreamWriter], server: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        self.client_reader, self.client_writer = client
        self.server_reader, self.server_writer = server
        self.is_silent = False
        self.is_cut_after_reply = False

    def hang_up(self, *, reset: bool = False) -> None:
        """Closes both ends; with a TCP reset if wished."""
        for writer in (self.client_writer, self.server_writer):
            if reset:
                plug: socket.socket = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class DatabaseProxy:
    """`async with DatabaseProxy(dsn) as proxy`: clients use `proxy.dsn`. Everything passes until told otherwise."""

    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        self._parts, self._host, self._port = parts, parts.hostname or "127.0.0.1", parts.port or 5432
        self._wires: set[Wire] = set()
        self._cuts: list[Cut] = []
        self._delay_s = 0.0
        self._server: asyncio.Server | None = None
        self.all_cut = asyncio.Event()

    @property
    def dsn(self) -> str:
        """The database's address through the proxy."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        credentials = f"{self._parts.username}:{self._parts.password}@" if self._parts.username else ""
        return urlunsplit(self._parts._replace(netloc=f"{credentials}127.0.0.1:{port}"))

    async def __aenter__(self) -> Self:
        """Listens."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=CHUNK)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hangs up on everybody."""
        assert self._server is not None
        self._server.close()
        self.reset_all()

    def cut_next_commits(self, where: Cut, times: int) -> None:
        """The next commits lose their connection."""
        self._cuts += [where] * times
        self.all_cut.clear()

    def forget_cuts(self) -> None:
        """No further commit is cut."""
        self._cuts.clear()

    def dawdle(self, delay_s: float) -> None:
        """Everything waits so long before it passes; 0 ends that."""
        self._delay_s = delay_s

    def fall_silent(self) -> int:
        """The connections there are now stay open and carry nothing ever more, either way; returns how many. New ones pass."""
        for wire in self._wires:
            wire.is_silent = True
        return len(self._wires)

    def reset_all(self) -> int:
        """Every connection ends with a TCP reset; returns how many."""
        wires = list(self._wires)
        for wire in wires:
            wire.hang_up(reset=True)
        return len(wires)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await asyncio.open_connection(self._host, self._port, limit=CHUNK)
        except OSError:
            writer.transport.abort()
            return
        wire = Wire((reader, writer), server)
        self._wires.add(wire)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry_up(wire))
                both.create_task(self._carry_down(wire))
        except* (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._wires.discard(wire)
            wire.hang_up()

    async def _carry_up(self, wire: Wire) -> None:
        """Client to server, until a commit is to be cut or either end is gone."""
        while chunk := await wire.client_reader.read(CHUNK):
            await asyncio.sleep(self._delay_s)
            if COMMIT in chunk and self._cuts:
                where = self._cuts.pop(0)
                if not self._cuts:
                    self.all_cut.set()
                if where is Cut.BEFORE:
                    break
                wire.is_cut_after_reply = True
            if wire.is_silent:
                continue
            wire.server_writer.write(chunk)
            await wire.server_writer.drain()
        if not wire.is_cut_after_reply:
            wire.hang_up()

    async def _carry_down(self, wire: Wire) -> None:
        """Server to client; the reply to a commit that is to be cut is swallowed."""
        while chunk := await wire.server_reader.read(CHUNK):
            await asyncio.sleep(self._delay_s)
            if wire.is_cut_after_reply:
                break
            if not wire.is_silent:
                wire.client_writer.write(chunk)
                await wire.client_writer.drain()
        wire.hang_up()
