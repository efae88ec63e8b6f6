"""`python -m app.stage.partner_site --port N --service-url URL --event ID`: serve the page until told to stop."""

import argparse
from pathlib import Path

import jinja2
import uvicorn
from litestar import Litestar, MediaType, Response, get
from litestar.static_files import create_static_files_router

from app.stage.roles import HOST

_HERE = Path(__file__).parent


def host_csp(service_url: str) -> str:
    """A strict host's policy: its own styles and pictures, and one foreign origin, ours, for the widget."""
    return (
        f"default-src 'none'; script-src {service_url}; connect-src {service_url}; frame-src {service_url}; "
        "style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def build_site(*, service_url: str, event: str, key: str, name: str, place: str) -> Litestar:
    """Return the site of one event."""
    templates = jinja2.Environment(loader=jinja2.FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=jinja2.StrictUndefined)
    page = templates.get_template("page.html").render(service_url=service_url, event=event, key=key, name=name, place=place)

    @get("/", sync_to_thread=False)
    def show_page() -> Response[str]:
        return Response(page, media_type=MediaType.HTML, headers={"content-security-policy": host_csp(service_url)})

    static = create_static_files_router(path="/static", directories=[_HERE / "static"])
    return Litestar(route_handlers=[show_page, static], openapi_config=None)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m app.stage.partner_site", description="An event's own page with our widget in it.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--service-url", required=True, help="where the widget comes from, such as http://localhost:8000")
    parser.add_argument("--event", required=True, help="the event the widget shows")
    parser.add_argument("--key", default="", help="the partner's public key")
    parser.add_argument("--name", default="Matchday", help="the event's name")
    parser.add_argument("--place", default="", help="where it takes place")
    given = parser.parse_args()
    site = build_site(service_url=given.service_url, event=given.event, key=given.key, name=given.name, place=given.place)
    uvicorn.run(site, host=HOST, port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
