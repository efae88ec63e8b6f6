"""What HTTP itself allows: methods, framing, listings, types, and what a bug tells."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest
import pytest_asyncio
from litestar import get
from litestar.testing import AsyncTestClient

from app.main import build_app
from tests.support.day_service import day_settings
from tests.support.server import scratch_database
from tests.support.web_process import web_process


@pytest_asyncio.fixture(scope="module")
async def http(server: tuple[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with scratch_database(server[0], template=server[1], purpose="protocol") as dsn, web_process(dsn) as client:
        yield client


async def send_raw(http: httpx.AsyncClient, request: bytes) -> bytes:
    """The first bytes of the answer to a request written by hand."""
    parts = urlsplit(str(http.base_url))
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(request)
    await writer.drain()
    async with asyncio.timeout(10):
        answer = await reader.read(200)
    writer.close()
    return answer


@pytest.mark.parametrize("method", ["TRACE", "PUT", "CONNECT", "NONSENSE"])
async def test_a_method_nobody_offers_is_refused(http: httpx.AsyncClient, method: str) -> None:
    answer = await send_raw(http, f"{method} / HTTP/1.1\r\nHost: x\r\nCookie: secret=1\r\n\r\n".encode())
    assert answer.split(b" ")[1] in {b"400", b"404", b"405", b"501"}
    assert b"secret" not in answer


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        b"Content-Length: -1\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\nabcd",
    ],
)
async def test_a_body_whose_end_is_ambiguous_smuggles_nothing(http: httpx.AsyncClient, framing: bytes) -> None:
    answer = await send_raw(http, b"POST /sign-in HTTP/1.1\r\nHost: x\r\n" + framing)
    assert b"python_info" not in answer
    assert answer.count(b"HTTP/1.1") <= 1


@pytest.mark.parametrize("path", ["/static", "/static/", "/static/js", "/static/js/", "/static/%2e%2e/main.py", "/.git/config", "/app"])
async def test_no_folder_is_listed(http: httpx.AsyncClient, path: str) -> None:
    assert (await http.get(path)).status_code in {404, 405}


async def test_every_answer_names_its_type_and_characters(http: httpx.AsyncClient) -> None:
    for path, kind in {
        "/": "text/html; charset=utf-8",
        "/api/events": "application/json",
        "/nothing": "application/problem+json",
        "/robots.txt": "text/plain; charset=utf-8",
        "/static/js/app.js": "text/javascript",
        "/sitemap.xml": "application/xml",
    }.items():
        answer = await http.get(path, headers={"accept": "text/html" if path == "/" else "*/*"})
        assert answer.headers["content-type"].startswith(kind), path


async def test_a_bug_tells_nothing_of_our_insides() -> None:
    @get("/bug", opt={"exclude_from_csrf": True})
    async def bug() -> None:
        raise RuntimeError("SELECT secret FROM vault")

    application = build_app(day_settings("postgresql://nowhere", 1))
    application.on_startup = []
    application._lifespan_managers = []
    application.register(bug)
    async with AsyncTestClient(application, raise_server_exceptions=False) as client:
        answer = await client.get("/bug")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "vault" not in answer.text
    assert "Traceback" not in answer.text
