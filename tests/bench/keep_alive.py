"""A load generator's line to a server: one HTTP/1.1 connection, kept open, requests as ready-made bytes.

The generator shares its cores with what it measures, so it must cost little: no header objects, no JSON unless somebody looks.
"""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import msgspec


def request_bytes(method: str, path: str, *, host: str, body: object = None, headers: dict[str, str] | None = None) -> bytes:
    """A whole request; a body is sent as JSON."""
    content = b"" if body is None else msgspec.json.encode(body)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(content)}"]
    if body is not None:
        lines.append("Content-Type: application/json")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Line:
    """`async with Line(url) as line: status, body = await line.ask(b"...")`. ConnectionError when it breaks; a next ask opens another."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        """Closes the connection."""
        if self._ends is not None:
            self._ends[1].close()
            self._ends = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer (which must have a Content-Length)."""
        try:
            if self._ends is None:
                self._ends = await asyncio.open_connection(self.host, self.port)
            reader, writer = self._ends
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            begin = head.find(b"content-length:")
            length = 0 if begin < 0 else int(head[begin + 15 : head.index(b"\r\n", begin)])
            body = await reader.readexactly(length) if length else b""
        except (OSError, asyncio.IncompleteReadError) as error:
            self.hang_up()
            raise ConnectionError(str(error)) from error
        if b"connection: close" in head:
            self.hang_up()
        return int(head[9:12]), body
