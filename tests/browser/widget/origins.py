"""Two sites on this machine: a Busload with one event (widget files, its JSON, live streams) and a partner's page on another origin."""

import json
import queue
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import msgspec

from app.surfaces.partner.widget import CARD_MODULES, FOLDER, LOADER, VERSION, reserved_height_px
from app.surfaces.partner.widget.shape import WidgetPage

EVENT: dict[str, Any] = {
    "code": "WMW17",
    "name": "Women's March on Washington",
    "venue": "National Mall, Washington DC",
    "starts_at": "2017-01-21T15:00:00Z",
    "zone": "America/New_York",
    "url": "https://busload.example/e/WMW17",
}
TRIPS = {
    "RICH1": ("Richmond VA", "open", 24, 25, 54, 4800),
    "PHIL1": ("Philadelphia PA", "confirmed", 61, 40, 108, 4200),
    "PITT1": ("Pittsburgh PA", "open", 7, 30, 54, 6550),
    "NORF1": ("Norfolk VA", "expired", 11, 25, 54, 5200),
    "NEWY1": ("New York NY", "open", 21, 40, 212, 5900),
}
CLOSE = None


class Busload:
    """The state behind the stub origin: trips that change, and the streams that hear of it."""

    def __init__(self) -> None:
        self.address = ""
        self.cookies_seen: list[str] = []
        self._lock = Lock()
        self._streams: dict[str, list[queue.Queue[dict[str, Any] | None]]] = {}

    def page(self) -> dict[str, Any]:
        trips = [
            {
                "code": code,
                "origin": origin,
                "state": state,
                "price_minor": price_minor,
                "currency": "USD",
                "minimum": minimum,
                "cap": cap,
                "secured": secured,
                "to_go": max(0, minimum - secured),
                "deadline_at": "2017-01-14T23:00:00Z",
                "url": f"{self.address}/e/WMW17/{code}",
                "live_url": f"{self.address}/live/{code}",
            }
            for code, (origin, state, secured, minimum, cap, price_minor) in TRIPS.items()
        ]
        page = {"event": EVENT, "trips": trips}
        msgspec.convert(page, WidgetPage)  # the stub answers what the real one must
        return page

    def tell(self, code: str, **news: Any) -> None:
        """Sends news of a trip to whoever listens."""
        with self._lock:
            for stream in self._streams.get(code, []):
                stream.put({"code": code, **news})

    def listening(self) -> set[str]:
        with self._lock:
            return {code for code, streams in self._streams.items() if streams}

    def listen(self, code: str) -> "queue.Queue[dict[str, Any] | None]":
        stream: queue.Queue[dict[str, Any] | None] = queue.Queue()
        with self._lock:
            self._streams.setdefault(code, []).append(stream)
        return stream

    def leave(self, code: str, stream: "queue.Queue[dict[str, Any] | None]") -> None:
        with self._lock:
            self._streams[code].remove(stream)

    def close(self) -> None:
        with self._lock:
            for streams in self._streams.values():
                for stream in streams:
                    stream.put(CLOSE)


class _Quiet(BaseHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Tests print nothing."""

    def answer(self, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


class _BusloadSite(_Quiet):
    def __init__(self, *args: Any, busload: Busload, **kwargs: Any) -> None:
        self.busload = busload
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        if cookie := self.headers.get("cookie"):
            self.busload.cookies_seen.append(cookie)
        path = self.path.split("?")[0]
        scripts = {"/w/v1.js": LOADER, **{f"/w/{VERSION}/{name}": FOLDER / name for name in CARD_MODULES}}
        if path in scripts:
            self.answer(scripts[path].read_bytes(), "text/javascript", access_control_allow_origin="*", x_content_type_options="nosniff")
        elif path == "/w/events/WMW17.json":
            self.answer(json.dumps(self.busload.page()).encode(), "application/json", access_control_allow_origin="*")
        elif path.startswith("/live/"):
            self._stream(path.removeprefix("/live/"))
        elif path.startswith("/e/"):
            self.answer(b"<!DOCTYPE html><title>Our trip page</title>", "text/html")
        else:
            self.answer(b"{}", "application/problem+json", 404, access_control_allow_origin="*")

    def _stream(self, code: str) -> None:
        self.send_response(200)
        for name, value in (("content-type", "text/event-stream"), ("access-control-allow-origin", "*"), ("cache-control", "no-store")):
            self.send_header(name, value)
        self.end_headers()
        stream = self.busload.listen(code)
        try:
            while True:
                try:
                    news = stream.get(timeout=0.2)
                except queue.Empty:
                    self.wfile.write(b": beat\n\n")  # how a browser that has gone is noticed
                    continue
                if news is CLOSE:
                    return
                self.wfile.write(f"event: trip\ndata: {json.dumps(news)}\n\n".encode())
        except OSError:
            return
        finally:
            self.busload.leave(code, stream)


class _PartnerSite(_Quiet):
    def __init__(self, *args: Any, pages: dict[str, str], policy: str, **kwargs: Any) -> None:
        self.pages, self.policy = pages, policy
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        page = self.pages.get(self.path.split("?")[0])
        self.answer((page or "").encode(), "text/html; charset=utf-8", 200 if page else 404, content_security_policy=self.policy)


@contextmanager
def _serving(handler: Any, host: str) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _host_page(origin: str, element: str, lang: str = "en") -> str:
    return (
        f'<!DOCTYPE html><html lang="{lang}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>The march</title><script src="{origin}/w/v1.js" async></script></head><body><main><h1>The march</h1>{element}'
        f"<p>Below the widget.</p></main></body></html>"
    )


def partner_pages(origin: str) -> dict[str, str]:
    """The ways a partner may write it, by path."""
    link = f'<a href="{origin}/e/WMW17">Buses to the march</a>'
    holder = f'<table height="{reserved_height_px(4)}"><tr><td>{link}</td></tr></table>'
    return {
        "/": _host_page(origin, f'<busload-trips event="WMW17" key="pk_1" rows="4">{holder}</busload-trips>'),
        "/div": _host_page(origin, f'<div data-busload="WMW17" data-key="pk_1" data-lang="fr" data-rows="3">{link}</div>'),
        "/de": _host_page(origin, f'<busload-trips event="WMW17" key="pk_1">{link}</busload-trips>', lang="de"),
        "/es": _host_page(origin, f'<busload-trips event="WMW17" key="pk_1" lang="es">{link}</busload-trips>'),
        "/gone": _host_page(origin, f'<busload-trips event="NOPE">{link}</busload-trips>'),
    }


@contextmanager
def two_sites() -> Iterator[tuple[Busload, str]]:
    """Yields Busload's state and the address of the partner's site, whose policy allows our one origin and nothing else."""
    busload = Busload()
    with _serving(partial(_BusloadSite, busload=busload), "localhost") as origin:
        busload.address = origin
        policy = f"default-src 'none'; script-src {origin}; connect-src {origin}; require-trusted-types-for 'script'"
        with _serving(partial(_PartnerSite, pages=partner_pages(origin), policy=policy), "127.0.0.1") as partner:
            yield busload, partner
        busload.close()
