"""Names of cookies. Over https they carry `__Host-`, so that no neighbouring host can set them (RFC 6265bis)."""

from urllib.parse import urlsplit

SESSION_COOKIE = "busload_session"
BROWSER_COOKIE = "busload_browser"
CSRF_COOKIE = "busload_csrf"


def is_https(base_url: str) -> bool:
    """Whether cookies may only travel over https: always, but for a service on this machine."""
    return urlsplit(base_url).scheme == "https"


def cookie_name(name: str, base_url: str) -> str:
    """What a cookie is called at this base URL."""
    return f"__Host-{name}" if is_https(base_url) else name
