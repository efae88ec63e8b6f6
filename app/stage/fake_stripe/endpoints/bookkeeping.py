"""Events, the balance and its movements."""

# ruff: noqa: RUF012 - msgspec copies empty defaults for each instance

from typing import Any

import msgspec

from app.stage.fake_stripe import balance
from app.stage.fake_stripe.call import Call, ListParams, Page, Params
from app.stage.fake_stripe.model import BalanceTransaction, Delivery, Event
from app.stage.fake_stripe.refusals import Refusal, missing

EVENTS_KEPT_S = 30 * 86_400


class EventList(ListParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: str | None = None
    types: list[str] = []
    delivery_success: bool | None = None


def fetch_event(call: Call, _params: Params) -> msgspec.Raw:
    row = call.world.books.get(Event, call.path["id"])
    if row is None or row.created < call.world.clock.now() - EVENTS_KEPT_S:
        raise missing("event", call.path["id"], "id", in_path=True)
    return row.body


def list_events(call: Call, params: EventList) -> Page:
    """Events of the last 30 days, newest first."""
    oldest = call.world.clock.now() - EVENTS_KEPT_S
    if params.type and params.types:
        raise Refusal(400, "You may only specify one of these parameters: type, types.")
    wanted = set(params.types) | ({params.type} if params.type else set())

    def keep(row: Event) -> bool:
        if row.created < oldest or params.delivery_success not in (None, _delivered(call, row)):
            return False
        return not wanted or row.type in wanted or f"{row.type.split('.')[0]}.*" in wanted

    return call.page(Event, params, keep=keep)


def _delivered(call: Call, row: Event) -> bool:
    delivery = call.world.books.get(Delivery, row.id)
    return delivery is None or delivery.done


class MovementList(ListParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    currency: str | None = None
    payout: str | None = None
    source: str | None = None
    type: str | None = None


def list_movements(call: Call, params: MovementList) -> Page:
    def keep(row: BalanceTransaction) -> bool:
        return row.account == call.account and params.type in (None, row.type) and params.currency in (None, row.currency)

    return call.page(BalanceTransaction, params, keep=keep, source=params.source)


def fetch_movement(call: Call, _params: Params) -> BalanceTransaction:
    return call.named(BalanceTransaction, "balance transaction", "id")


def fetch_balance(call: Call, _params: Params) -> dict[str, Any]:
    """Ours, or the connected account's named by Stripe-Account."""
    sums = balance.totals(call.world, call.account) or {"eur": (0, 0)}

    def amounts(place: int) -> list[dict[str, Any]]:
        return [
            {"amount": sums[currency][place], "currency": currency, "source_types": {"card": sums[currency][place]}}
            for currency in sorted(sums)
        ]

    return {"object": "balance", "available": amounts(0), "livemode": False, "pending": amounts(1)}
