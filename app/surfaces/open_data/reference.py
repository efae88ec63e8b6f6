"""`/api`: the API's description for people, drawn from its OpenAPI document by a script we serve ourselves."""

from pathlib import Path
from typing import Any

from litestar import Request, Response, get

from app.web.pages import page, see_other

SCRIPT = Path(__file__).parent / "reference.js"


@get("/api", include_in_schema=False)
async def show_reference(request: Request[Any, Any, Any]) -> Response[Any]:
    """The page."""
    return page(request, "open_data/reference.html", schema_url="/api/schema/openapi.json")


@get("/api/docs", include_in_schema=False)
async def move_on() -> Response[Any]:
    """Where people look for it as well."""
    return see_other("/api")


@get("/api/reference.js", include_in_schema=False, sync_to_thread=False)
def send_script() -> Response[bytes]:
    """What starts the drawing: a file, because the page's policy allows nothing inline."""
    return Response(SCRIPT.read_bytes(), media_type="text/javascript; charset=utf-8", headers={"cache-control": "no-cache"})


ROUTES = [show_reference, move_on, send_script]
