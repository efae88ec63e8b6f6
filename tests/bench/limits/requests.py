"""Requests as ready-made bytes, each from an address of its own, as the proxy in front would tell it."""

from collections.abc import Sequence

from app.stage.roles import HOST
from tests.bench.keep_alive import request_bytes


def address_of(number: int) -> str:
    """A phone's own address (RFC 6598's shared space): rate limits count it, as they do in the open."""
    return f"100.{64 + (number >> 16 & 63)}.{number >> 8 & 255}.{number & 255}"


def ask(method: str, path: str, *, port: int, number: int, body: object = None, headers: dict[str, str] | None = None) -> bytes:
    """The request of somebody with this number; a body is sent as JSON."""
    sent = {"X-Forwarded-For": address_of(number), "Accept-Encoding": "gzip", **(headers or {})}
    return request_bytes(method, path, host=f"{HOST}:{port}", body=body, headers=sent)


def form(path: str, content: str, *, port: int, number: int, headers: dict[str, str]) -> bytes:
    """A form that a browser sends."""
    lines = [
        f"POST {path} HTTP/1.1", f"Host: {HOST}:{port}", f"X-Forwarded-For: {address_of(number)}", "Accept: text/html",
        "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(content)}",
        *(f"{name}: {value}" for name, value in headers.items()), "", content,
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


def cycled(things: Sequence[bytes], count: int) -> list[bytes]:
    """So many of them, from the start again where they do not suffice."""
    return [things[number % len(things)] for number in range(count)]
