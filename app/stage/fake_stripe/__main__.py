"""`python -m app.stage.fake_stripe --port 0 --webhook-url URL --webhook-secret S --state FILE`: run until SIGTERM or Ctrl-C.

Prints `fake-stripe ready <url>` once it takes requests.
"""

import asyncio
import logging
import socket
from pathlib import Path

import click
import msgspec
import uvicorn

from app.stage.fake_stripe.books import Books
from app.stage.fake_stripe.faults import Chaos, Rates
from app.stage.fake_stripe.web import build_app
from app.stage.fake_stripe.world import Terms, World

BACKLOG = 2048
EVENTS_WANTED = (
    "checkout.session.completed",
    "checkout.session.expired",
    "setup_intent.succeeded",
    "setup_intent.setup_failed",
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "payment_intent.canceled",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "transfer.reversed",
    "account.updated",
)


class Server(uvicorn.Server):
    """Says where it is once it is there."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        click.echo(f"fake-stripe ready {self._url}")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=0, show_default=True, help="0 takes a free one.")
@click.option("--public-url", default=None, help="Where browsers reach the hosted pages. Default: http://HOST:PORT.")
@click.option("--webhook-url", default=None, help="Where events are posted. Default: nowhere.")
@click.option("--webhook-secret", default="", help="Signs webhooks (whsec_...).")
@click.option(
    "--webhook-events", default=",".join(EVENTS_WANTED), help="Comma-separated types the endpoint wants, `*` for all. [what we act on]"
)
@click.option("--state", type=click.Path(dir_okay=False, path_type=Path), default=None, help="Journal file. Default: memory only.")
@click.option("--settle-after-s", default=2 * 86_400, show_default=True, help="When a charge becomes available balance.")
@click.option("--rate-limited/--no-rate-limits", default=False, help="Answer 429 beyond the two limits below.")
@click.option("--account-requests-per-s", default=100, show_default=True, help="Stripe: 100, a sandbox 25.")
@click.option("--endpoint-requests-per-s", default=25, show_default=True)
@click.option("--connect-onboarding/--no-connect-onboarding", default=False, help="New accounts wait for their onboarding link.")
@click.option("--seed", default=1, show_default=True, help="Of the dice for faults.")
@click.option("--server-error-rate", default=0.0, help="Share of POSTs answered 500 with nothing done.")
@click.option("--server-error-after-effect-rate", default=0.0, help="Share of POSTs done and answered 500.")
@click.option("--lost-reply-rate", default=0.0, help="Share of POSTs done, then the connection cut.")
@click.option("--cut-before-effect-rate", default=0.0, help="Share of POSTs cut with nothing done.")
@click.option("--decline-rate", default=0.0, help="Share of charges on good cards declined all the same.")
@click.option("--latency-s", default=0.0, help="Added to every request.")
@click.option("--latency-jitter-s", default=0.0, help="Up to this much more, at random.")
@click.option("--webhook-duplicate-rate", default=0.0)
@click.option("--webhook-drop-rate", default=0.0)
@click.option("--webhook-delay-s", default=0.0)
@click.option("--webhook-shuffle-s", default=0.0, help="Each webhook waits up to this long at random.")
def main(
    *,
    host: str,
    port: int,
    public_url: str | None,
    webhook_url: str | None,
    webhook_secret: str,
    webhook_events: str,
    state: Path | None,
    settle_after_s: int,
    rate_limited: bool,
    account_requests_per_s: int,
    endpoint_requests_per_s: int,
    connect_onboarding: bool,
    seed: int,
    **rates: float,
) -> None:
    """Run the fake Stripe."""
    logging.basicConfig(level=logging.WARNING)
    listener = socket.create_server((host, port), backlog=BACKLOG)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # inherited; a reply in two writes waits 40 ms without it
    url = f"http://{host}:{listener.getsockname()[1]}"
    terms = Terms(
        public_url=(public_url or url).rstrip("/"),
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
        enabled_events=frozenset(one.strip() for one in webhook_events.split(",")),
        settle_after_s=settle_after_s,
        rate_limited=rate_limited,
        account_requests_per_s=account_requests_per_s,
        endpoint_requests_per_s=endpoint_requests_per_s,
        connect_enabled_at_once=not connect_onboarding,
    )
    world = World(terms=terms, books=Books(state), chaos=Chaos(msgspec.convert(rates, Rates), seed))
    config = uvicorn.Config(build_app(world), log_level="critical", access_log=False, loop="auto", timeout_graceful_shutdown=2)
    asyncio.run(Server(config, url).serve(sockets=[listener]))


if __name__ == "__main__":
    main()
