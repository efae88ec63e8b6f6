"""Static files: served by us, addressed by content hash, cached for ever.

Each is read and packed once in a process: a newcomer's first page takes a dozen of them, and to pack those anew for everybody costs
several times what the page does.
"""

import gzip
import hashlib
from functools import cache
from mimetypes import guess_type
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, route
from litestar.enums import HttpMethod
from litestar.params import FromPath

from app.core.errors import NotFound

STATIC = Path(__file__).parent / "static"
PACKED_FROM = 1_000  # bytes; what is smaller fits a packet as it is
PACKED_ALREADY = (".png", ".woff2")


class KeptFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file in memory; `packed` is its gzip where that is smaller, `digest` 12 hex digits of its SHA-256."""

    body: bytes
    packed: bytes | None
    digest: str
    media_type: str


@cache
def keep_file(path: Path) -> KeptFile:
    """The file as it was when it was first asked for; FileNotFoundError for none."""
    body = path.read_bytes()
    packed = gzip.compress(body, mtime=0) if len(body) >= PACKED_FROM and path.suffix not in PACKED_ALREADY else body
    return KeptFile(
        body=body, packed=packed if len(packed) < len(body) else None, digest=hashlib.sha256(body).hexdigest()[:12],
        media_type=guess_type(path.name)[0] or "application/octet-stream",
    )  # fmt: skip


@cache
def files_below(folder: Path) -> dict[str, Path]:
    """The files of a folder by their names below it: what is not among them is not served, however its address is written."""
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


def static_url(name: str) -> str:
    """The address of a file below `app/web/static`, with its content hash; FileNotFoundError for none."""
    return f"/static/{name}?v={keep_file(STATIC / name).digest}"


def send_file(request: Request[Any, Any, Any], folder: Path, name: str) -> Response[bytes]:
    """A file of a folder, packed for who takes that; 304 for who has it. NotFound for none."""
    path = files_below(folder).get(name)
    if path is None:
        raise NotFound("There is no such file here. Load the page again.")
    file = keep_file(path)
    packed = file.packed if "gzip" in request.headers.get("accept-encoding", "") else None
    headers = {"etag": f'W/"{file.digest}"', "vary": "accept-encoding"}
    if headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers, media_type=file.media_type)
    if packed is not None:
        headers["content-encoding"] = "gzip"
    return Response(packed or file.body, headers=headers, media_type=file.media_type)


@route("/static/{file_path:path}", http_method=[HttpMethod.GET, HttpMethod.HEAD], include_in_schema=False, exclude_from_csrf=True)
async def show_static(request: Request[Any, Any, Any], file_path: FromPath[Path]) -> Response[bytes]:
    """A file of all pages; without a session, without cookies."""
    return send_file(request, STATIC, file_path.as_posix().lstrip("/"))


ROUTES = [show_static]
