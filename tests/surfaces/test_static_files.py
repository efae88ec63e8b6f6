"""Static files: packed once, told apart by what they hold, and asked for again at the cost of a line."""

import pytest

from app.web.static_files import STATIC, files_below, keep_file, static_url
from tests.support.service import Service

FILES = [
    pytest.param(name, id=name.rpartition("/")[2]) for name in ("css/layout.css", "vendor/htmx.org/2.0.11/htmx.min.js", "icons/favicon.svg")
]


@pytest.mark.parametrize("name", FILES)
async def test_a_file_is_the_same_packed_or_not(service: Service, name: str) -> None:
    plain = await service.http.get(static_url(name), headers={"accept-encoding": "identity"})
    packed = await service.http.get(static_url(name), headers={"accept-encoding": "br, gzip"})
    assert plain.content == packed.content == (STATIC / name).read_bytes()
    assert "content-encoding" not in plain.headers
    assert packed.headers.get("content-encoding") == ("gzip" if len(plain.content) > 1_000 else None)
    assert int(packed.headers["content-length"]) <= len(plain.content)
    assert packed.headers["vary"] == "accept-encoding"
    assert keep_file(STATIC / name) is keep_file(STATIC / name)


async def test_who_has_a_file_is_told_so(service: Service) -> None:
    first = await service.http.get("/static/js/app.js")
    again = await service.http.get("/static/js/app.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (await service.http.get("/static/js/app.js", headers={"if-none-match": 'W/"other"'})).status_code == 200


async def test_a_head_tells_of_a_file_without_it(service: Service) -> None:
    whole, head = [await service.http.request(method, "/static/css/layout.css") for method in ("GET", "HEAD")]
    assert head.content == b""
    assert {head.headers[name] == whole.headers[name] for name in ("content-type", "content-length", "etag", "cache-control")} == {True}


async def test_only_files_of_the_folder_are_there(service: Service) -> None:
    names = files_below(STATIC)
    assert not [path for path in names.values() if not path.resolve().is_relative_to(STATIC.resolve())]
    assert "css/layout.css" in names
    for path in ("/static/css", "/static/css/", "/static/nothing.css"):
        answer = await service.http.get(path, headers={"accept": "application/json"})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path
