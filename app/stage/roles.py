"""The processes of a stage and how they find each other: addresses, secrets, settings, command lines."""

import secrets
from itertools import pairwise
from pathlib import Path

import msgspec

from app.stage.ports import free_port
from app.stage.processes import Role

HOST = "127.0.0.1"
UNLIMITED_PER_S = "100000"
PARTNER_PORT_OFFSET = 4  # the demo's partner page, counted from the web's port: the partner's key is good for that origin only


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything listens. People reach the service as `localhost`; what is on `127.0.0.1` is another site to a browser."""

    web_port: int
    stripe_port: int
    inbox_port: int
    smtp_port: int

    @property
    def base_url(self) -> str:
        """The service."""
        return f"http://localhost:{self.web_port}"

    @property
    def stripe_url(self) -> str:
        """The fake Stripe: its API for the service, its card page and books for people."""
        return f"http://{HOST}:{self.stripe_port}"

    @property
    def inbox_url(self) -> str:
        """The mails."""
        return f"http://{HOST}:{self.inbox_port}"


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What the processes of one stage share and nobody else knows."""

    stripe_api_key: str
    stripe_webhook_secret: str
    secret: str


def new_addresses(*, web_port: int | None = None) -> Addresses:
    """Return free ports for everything; the web's own if given."""
    return Addresses(web_port=web_port or free_port(), stripe_port=free_port(), inbox_port=free_port(), smtp_port=free_port())


def new_secrets() -> Secrets:
    """Return secrets made up now; the Stripe key is a test key by its prefix."""
    return Secrets(
        stripe_api_key=f"sk_test_{secrets.token_hex(24)}",
        stripe_webhook_secret=f"whsec_{secrets.token_hex(24)}",
        secret=secrets.token_urlsafe(48),
    )


def request_limits(stripe_options: tuple[str, ...]) -> dict[str, str]:
    """Return the pace that a fake Stripe with these options wants to be spoken to at; one without limits takes all there is."""
    if "--rate-limited" not in stripe_options:
        return {"BUSLOAD_STRIPE_ACCOUNT_PER_S": UNLIMITED_PER_S, "BUSLOAD_STRIPE_ENDPOINT_PER_S": UNLIMITED_PER_S}
    given = dict(pairwise(stripe_options))
    return {
        "BUSLOAD_STRIPE_ACCOUNT_PER_S": given.get("--account-requests-per-s", "100"),
        "BUSLOAD_STRIPE_ENDPOINT_PER_S": given.get("--endpoint-requests-per-s", "25"),
    }


def service_settings(dsn: str, addresses: Addresses, shared: Secrets, stripe_options: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the environment of `serve` and `worker` on this stage."""
    return {
        "DATABASE_URL": dsn,
        "STRIPE_API_KEY": shared.stripe_api_key,
        "STRIPE_WEBHOOK_SECRET": shared.stripe_webhook_secret,
        "BUSLOAD_SECRET": shared.secret,
        "BUSLOAD_BASE_URL": addresses.base_url,
        "BUSLOAD_SMTP_URL": f"smtp://{HOST}:{addresses.smtp_port}",
        "BUSLOAD_STRIPE_BASE": addresses.stripe_url,
        **request_limits(stripe_options),
        "BUSLOAD_COMPANY": "Busload Demo Ltd, 1 Coach Yard, Baltimore, MD 21201, USA",
    }


def web_role(settings: dict[str, str], addresses: Addresses) -> Role:
    """Return the web process; ready once it has its database."""
    arguments = ("serve", "--host", HOST, "--port", str(addresses.web_port))
    return Role(
        name="web", module="app.cli", arguments=arguments, settings=settings, ready_url=f"http://{HOST}:{addresses.web_port}/readyz"
    )


def worker_role(settings: dict[str, str], *, number: int = 1) -> Role:
    """Return a worker; any number may run."""
    return Role(name="worker" if number == 1 else f"worker-{number}", module="app.cli", arguments=("worker",), settings=settings)


def stripe_role(addresses: Addresses, shared: Secrets, state: Path, extra: tuple[str, ...] = ()) -> Role:
    """Return the fake Stripe, its books in the file `state`; `extra` are options for its faults."""
    arguments = (
        "--port", str(addresses.stripe_port), "--webhook-url", f"http://{HOST}:{addresses.web_port}/api/stripe/webhook",
        "--webhook-secret", shared.stripe_webhook_secret, "--state", str(state), *extra,
    )  # fmt: skip
    return Role(name="fake-stripe", module="app.stage.fake_stripe", arguments=arguments, ready_url=f"{addresses.stripe_url}/_stage/ready")


def inbox_role(addresses: Addresses, folder: Path) -> Role:
    """Return the mail server, its mails in `folder`."""
    arguments = ("--port", str(addresses.inbox_port), "--smtp-port", str(addresses.smtp_port), "--folder", str(folder))
    return Role(name="inbox", module="app.stage.inbox", arguments=arguments, ready_url=f"{addresses.inbox_url}/api/newest")
