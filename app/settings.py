"""What a process needs from its environment; everything missing or wrong is told in one message."""

from collections.abc import Mapping
from ipaddress import ip_network
from urllib.parse import urlsplit

import msgspec


class SettingsFaulty(Exception):
    """The environment lacks something; the text lists every fault and what to set."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of `serve` and `worker`. No default stands in for a secret or for the outside world."""

    database_url: str
    stripe_api_key: str
    stripe_webhook_secret: str
    stripe_base: str | None
    secret: str
    base_url: str
    smtp_url: str
    mail_from: str
    osrm_url: str | None
    log_level: str
    stripe_account_per_s: float | None = None  # None, on a stage only: as fast as it goes
    stripe_endpoint_per_s: float | None = None
    company: str = ""
    trusted_proxies: str = "127.0.0.1"  # comma-separated addresses and networks; empty: none
    metrics_token: str | None = None
    database_silence_s: float = 38.0


REQUIRED = {
    "DATABASE_URL": "the PostgreSQL 18 database, such as postgresql://busload@db/busload",
    "STRIPE_API_KEY": "the secret key of your Stripe account, sk_live_... or sk_test_...",
    "STRIPE_WEBHOOK_SECRET": "the signing secret of the webhook endpoint BUSLOAD_BASE_URL/api/stripe/webhook, whsec_...",
    "BUSLOAD_SECRET": "at least 32 random characters, the same for all processes "
    "(python3 -c 'import secrets; print(secrets.token_urlsafe(48))')",
    "BUSLOAD_BASE_URL": "the address people reach the service at, such as https://seats.example.org",
    "BUSLOAD_SMTP_URL": "the mail server, such as smtp://user:password@mail.example.org:587 or smtps://...:465",
}
OPTIONAL = {
    "BUSLOAD_MAIL_FROM": "sender of mails (default: busload@ and the host of BUSLOAD_BASE_URL)",
    "BUSLOAD_OSRM_URL": "an OSRM server for travel times (default: great circle x detour)",
    "BUSLOAD_LOG_LEVEL": "INFO (default), DEBUG, WARNING",
    "BUSLOAD_STRIPE_ACCOUNT_PER_S": "requests a second that Stripe lets your account make (default: 100; a sandbox: 25)",
    "BUSLOAD_STRIPE_ENDPOINT_PER_S": "requests a second that Stripe lets you make to one endpoint (default: 25)",
    "BUSLOAD_COMPANY": "the line about your company on receipts: name, address, tax number (default: Busload and the host)",
    "BUSLOAD_TRUSTED_PROXIES": "proxies whose X-Forwarded-For is believed: addresses or networks with commas, or none (default: 127.0.0.1)",
    "BUSLOAD_METRICS_TOKEN": "what /metrics asks for as `Authorization: Bearer ...` (default: /metrics answers this machine only)",
    "BUSLOAD_DATABASE_SILENCE_S": "seconds after which a database that answers nothing is hung up on (default: 38)",
    "BUSLOAD_STRIPE_BASE": "a fake Stripe's address; honoured only where the database is marked demo or test",
}
SECRET_LENGTH = 32
STRIPE_LIMITS = {"BUSLOAD_STRIPE_ACCOUNT_PER_S": 100.0, "BUSLOAD_STRIPE_ENDPOINT_PER_S": 25.0}
LEAST = {"BUSLOAD_STRIPE_ACCOUNT_PER_S": 4, "BUSLOAD_STRIPE_ENDPOINT_PER_S": 4, "BUSLOAD_DATABASE_SILENCE_S": 1}
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def is_network(text: str) -> bool:
    """Whether a text is an IP address or network; `*` is none: trusting everybody lets everybody choose an address."""
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def fault_of(name: str, value: str) -> str | None:  # noqa: PLR0911  one sentence per fault
    """What is wrong with a setting's value, or None."""
    parts = urlsplit(value)
    match name:
        case "DATABASE_URL" if parts.scheme not in {"postgresql", "postgres"}:
            return "is no postgresql:// address"
        case "BUSLOAD_SECRET" if len(value) < SECRET_LENGTH:
            return f"has {len(value)} characters, needs at least {SECRET_LENGTH}"
        case "BUSLOAD_BASE_URL" if parts.scheme not in {"http", "https"} or not parts.hostname:
            return "is no http(s) address"
        case "BUSLOAD_BASE_URL" if parts.scheme == "http" and parts.hostname not in LOCAL_HOSTS:
            return "must be https:// (http only on this machine)"
        case "BUSLOAD_SMTP_URL" if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            return "is no smtp:// or smtps:// address"
        case "BUSLOAD_TRUSTED_PROXIES" if value not in {"", "none"} and not all(is_network(one.strip()) for one in value.split(",")):
            return "holds something that is no address or network"
        case "STRIPE_API_KEY" if not value.startswith(("sk_", "rk_")):
            return "is no Stripe secret key (sk_... or rk_...)"
        case "STRIPE_WEBHOOK_SECRET" if not value.startswith("whsec_"):
            return "is no webhook signing secret (whsec_...)"
        case _ if name in LEAST and not (value.isdecimal() and int(value) >= LEAST[name]):
            return f"is no whole number from {LEAST[name]} on"
        case _:
            return None


def read_settings(env: Mapping[str, str]) -> Settings:
    """The settings in an environment. Raises SettingsFaulty naming every missing or wrong one and what to set."""
    faults = []
    for name, meaning in REQUIRED.items():
        value = env.get(name, "")
        fault = "is not set" if not value else fault_of(name, value)
        if fault:
            faults.append(f"  {name} {fault}. Set it to {meaning}.")
    faults += [
        f"  {name} {fault}. Set it to {OPTIONAL[name]}, or leave it out."
        for name in (*LEAST, "BUSLOAD_TRUSTED_PROXIES")
        if name in env and (fault := fault_of(name, env[name]))
    ]
    if faults:
        raise SettingsFaulty("Busload cannot start:\n" + "\n".join(faults))
    base_url = env["BUSLOAD_BASE_URL"].rstrip("/")
    return Settings(
        database_url=env["DATABASE_URL"],
        stripe_api_key=env["STRIPE_API_KEY"],
        stripe_webhook_secret=env["STRIPE_WEBHOOK_SECRET"],
        stripe_base=env.get("BUSLOAD_STRIPE_BASE") or None,
        secret=env["BUSLOAD_SECRET"],
        base_url=base_url,
        smtp_url=env["BUSLOAD_SMTP_URL"],
        mail_from=env.get("BUSLOAD_MAIL_FROM") or f"Busload <busload@{urlsplit(base_url).hostname}>",
        osrm_url=env.get("BUSLOAD_OSRM_URL") or None,
        log_level=env.get("BUSLOAD_LOG_LEVEL", "INFO").upper(),
        stripe_account_per_s=float(env.get("BUSLOAD_STRIPE_ACCOUNT_PER_S", STRIPE_LIMITS["BUSLOAD_STRIPE_ACCOUNT_PER_S"])),
        stripe_endpoint_per_s=float(env.get("BUSLOAD_STRIPE_ENDPOINT_PER_S", STRIPE_LIMITS["BUSLOAD_STRIPE_ENDPOINT_PER_S"])),
        trusted_proxies={"none": ""}.get(proxies := env.get("BUSLOAD_TRUSTED_PROXIES") or "127.0.0.1", proxies),
        metrics_token=env.get("BUSLOAD_METRICS_TOKEN") or None,
        database_silence_s=float(env.get("BUSLOAD_DATABASE_SILENCE_S", "38")),
        company=env.get("BUSLOAD_COMPANY") or f"Busload, {urlsplit(base_url).hostname}",
    )
