"""Everything one fake Stripe is made of, and the two things every act does: write a record, announce an event."""

import secrets
import string
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from app.stage.fake_stripe import model
from app.stage.fake_stripe.books import Books
from app.stage.fake_stripe.clock import Clock
from app.stage.fake_stripe.faults import Chaos
from app.stage.fake_stripe.model import Event, Resource
from app.stage.fake_stripe.refusals import missing
from app.stage.fake_stripe.render import Renderer

R = TypeVar("R", bound=Resource)

API_VERSION = "2026-10-28.endive"
ALPHABET = string.ascii_letters + string.digits


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How this Stripe account is set up.

    `fee_bps` of a charge plus `fee_fixed_minor` is the processing fee; money becomes available `settle_after_s` after the charge;
    `enabled_events` are those the webhook endpoint gets (`*`: all).
    """

    public_url: str
    webhook_url: str | None = None
    webhook_secret: str = ""
    enabled_events: frozenset[str] = frozenset({"*"})
    fee_bps: int = 150
    fee_fixed_minor: int = 25
    dispute_fee_minor: int = 2000
    settle_after_s: int = 2 * 86_400
    rate_limited: bool = False
    account_requests_per_s: int = 100
    endpoint_requests_per_s: int = 25
    connect_enabled_at_once: bool = True


class World:
    """One fake Stripe: its terms, memory, clock and temper.

    `on_event` is told of each event to be delivered, `on_due` of each thing to do later. `request_id` and `request_key`
    are those of the request being served, for its events.
    """

    def __init__(self, *, terms: Terms, books: Books, chaos: Chaos) -> None:
        self.terms = terms
        self.books = books
        self.chaos = chaos
        self.clock = Clock(books)
        self.renderer = Renderer(books, self.clock, terms.public_url)
        self.on_event: Callable[[str], None] = lambda _event_id: None
        self.on_due: Callable[[model.Due], None] = lambda _due: None
        self.request_id: str | None = None
        self.request_key: str | None = None

    def new_id(self, prefix: str, length: int = 24) -> str:
        return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(length))

    def need(self, kind: type[R], object_id: str, what: str, *, param: str, in_path: bool = False) -> R:
        """The record, or Stripe's `resource_missing`."""
        row = self.books.get(kind, object_id)
        if row is None:
            raise missing(what, object_id, param, in_path=in_path)
        return row

    def announce(self, type: str, row: Resource) -> None:
        """Record an event with a snapshot of the object, and queue it for the webhook endpoint if that wants it."""
        wanted = self.terms.webhook_url is not None and not self.terms.enabled_events.isdisjoint({"*", type})
        shown = self.renderer.show(row)
        created = self.clock.now()
        event_id = self.new_id("evt")
        body: dict[str, Any] = {
            "id": event_id,
            "object": "event",
            "api_version": API_VERSION,
            "created": created,
            "data": {"object": shown},
            "livemode": False,
            "pending_webhooks": int(wanted),
            "request": {"id": self.request_id, "idempotency_key": self.request_key},
            "type": type,
        }
        raw = msgspec.Raw(msgspec.json.encode(body))
        event = Event(id=event_id, created=created, type=type, object_id=row.id, body=raw)
        self.books.put(event)
        if wanted:
            self.books.put(model.Delivery(id=event_id, done=False))
            self.on_event(event_id)

    def schedule(self, object_id: str, act: str, *, after_s: int) -> None:
        """Have `act` happen to the object by itself, once the fake's clock is there."""
        at = self.clock.now() + after_s
        due = self.books.put(model.Due(id=f"{act}:{object_id}", object_id=object_id, at=at, act=act))
        self.on_due(due)
