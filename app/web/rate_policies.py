"""How often who may do what. The figures, and what they were chosen for, are in docs/security.md."""

import re

import msgspec

ADDRESS, CALLER = "address", "caller"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """`quota` requests within `window_s` seconds per address or caller (session, key or link).

    Shared ones are counted in the database by all processes together; the others in each process, as a bucket that refills evenly.
    """

    name: str
    quota: int
    window_s: int
    per: str
    shared: bool = False


ALL = Policy(name="all", quota=10_000, window_s=10, per=ADDRESS)
WRITES = Policy(name="writes", quota=3_000, window_s=60, per=ADDRESS)
CALLERS = Policy(name="caller", quota=300, window_s=60, per=CALLER)
SIGN_IN = Policy(name="sign-in", quota=300, window_s=600, per=ADDRESS, shared=True)
PASSKEY = Policy(name="passkey", quota=600, window_s=600, per=ADDRESS, shared=True)
OWN_DATA = Policy(name="own-data", quota=30, window_s=3_600, per=CALLER, shared=True)
KEYS = Policy(name="keys", quota=60, window_s=600, per=CALLER, shared=True)
FORWARDS = Policy(name="forwards", quota=60, window_s=600, per=CALLER, shared=True)
POLICIES = (ALL, WRITES, CALLERS, SIGN_IN, PASSKEY, OWN_DATA, KEYS, FORWARDS)

SENSITIVE: tuple[tuple[re.Pattern[str], Policy], ...] = (
    (re.compile(r"POST /sign-in(/use)?"), SIGN_IN),
    (re.compile(r"POST /sign-in/passkey(/options)?"), PASSKEY),
    (re.compile(r"(POST|GET) /(account|p/\{token\})/(export|erase).*"), OWN_DATA),
    (re.compile(r"POST /account/.*"), KEYS),
    (re.compile(r"(POST|PATCH) /(api/)?partner/.*(keys|webhooks|deliveries).*"), KEYS),
    (re.compile(r"POST .*/(transfer|waitlist).*"), FORWARDS),  # each may mail somebody
)


def policies_for(method: str, template: str) -> tuple[Policy, ...]:
    """What a route is limited by, the widest first; nothing for files, which are cached by their address."""
    if template.startswith(("/static", "/d/static", "/w/", "/livez", "/readyz", "/metrics")):
        return ()
    sensitive = tuple(policy for pattern, policy in SENSITIVE if pattern.fullmatch(f"{method} {template}"))[:1]
    if template == "/api/stripe/webhook":  # signed, and as many as there are charges
        return (ALL,)
    return (ALL, *sensitive) if method in SAFE else (ALL, WRITES, CALLERS, *sensitive)
