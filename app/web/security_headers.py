"""Headers every answer carries. Pages that a partner may frame or a phone may geolocate say so with their own header."""

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self' blob:; media-src 'self' blob:; "
    "form-action 'self'{form_actions}; base-uri 'none'; frame-ancestors 'none'"
)
PASSIVE = (".css", ".woff2", ".png", ".svg")
PASSIVE_CSP = "default-src 'none'"  # what runs nothing needs no more, and a page has a dozen of them
HSTS = "max-age=31536000; includeSubDomains"  # over https only: on this machine a demo speaks http
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "geolocation=(self), camera=(self), microphone=(), payment=()",
}


async def add_security_headers(message: Message, scope: Scope) -> None:
    """Litestar `before_send` hook: adds what the answer does not set itself."""
    if message["type"] != "http.response.start":
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    path = scope["path"]
    passive = path.startswith("/static/") and path.endswith(PASSIVE)
    headers.setdefault("content-security-policy", PASSIVE_CSP if passive else scope["litestar_app"].state.csp)
    if scope["litestar_app"].state.hsts:
        headers.setdefault("strict-transport-security", HSTS)
    if path.startswith("/static/vendor/") or (path.startswith("/static/") and b"v=" in scope.get("query_string", b"")):
        headers["cache-control"] = "public, max-age=31536000, immutable"  # its address names its version
    elif path.startswith("/static/"):
        headers.setdefault("cache-control", "no-cache")  # modules that import each other carry no hash: ask, and get a 304
    elif not path.startswith("/w/"):
        headers.setdefault("cache-control", "no-store")


def page_csp(form_origins: list[str]) -> str:
    """The policy of our pages; forms may redirect to the card page's origins."""
    return CSP.format(form_actions="".join(f" {origin}" for origin in form_origins))
