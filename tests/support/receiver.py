"""A web server that takes webhooks: writes down what came and answers what it is told."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it came over the wire."""

    line: str
    headers: dict[str, str]
    body: str


class Receiver:
    """Answers `statuses` in turn, the last one for ever; None hangs up without an answer."""

    def __init__(self) -> None:
        self.port = 0
        self.statuses: list[int | None] = [204]
        self.extra_headers: dict[str, str] = {}
        self.received: list[Received] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rows = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
        body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
        self.received.append(Received(line=line, headers=headers, body=body))
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status is not None:
            extra = "".join(f"{name}: {value}\r\n" for name, value in self.extra_headers.items())
            writer.write(f"HTTP/1.1 {status} Told\r\ncontent-length: 0\r\n{extra}connection: close\r\n\r\n".encode())
            await writer.drain()
        writer.close()


@asynccontextmanager
async def running_receiver(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver on a free port of this machine until the block ends."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.take, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver
