"""Static files: served by us, addressed by content hash, cached for ever."""

import hashlib
from functools import cache
from pathlib import Path

from litestar.router import Router
from litestar.static_files import create_static_files_router

from app.web.problems import on_no_file_name

STATIC = Path(__file__).parent / "static"


@cache
def static_url(name: str) -> str:
    """The address of a file below `app/web/static`, with its content hash; FileNotFoundError for none."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={digest}"


def static_router() -> Router:
    """`/static/...`; without a session, without cookies."""
    return create_static_files_router(
        path="/static",
        directories=[STATIC],
        name="static",
        include_in_schema=False,
        cache_control=None,
        opt={"exclude_from_csrf": True},
        exception_handlers={ValueError: on_no_file_name},  # a null character in the path
    )
