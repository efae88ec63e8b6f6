"""What an endpoint is given and what it may answer with."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from app.stage.fake_stripe.model import Event, Resource
from app.stage.fake_stripe.refusals import Refusal, missing
from app.stage.fake_stripe.world import R, World

L = TypeVar("L", bound=Resource | Event)

METADATA_MAX_KEYS = 50
METADATA_MAX_KEY = 40
METADATA_MAX_VALUE = 500
PAGE_MAX = 100


class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters every endpoint takes."""

    expand: list[str] = []


class Created(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    gt: int | None = None
    gte: int | None = None
    lt: int | None = None
    lte: int | None = None

    def holds(self, created: int) -> bool:
        return (
            (self.gt is None or created > self.gt)
            and (self.gte is None or created >= self.gte)
            and (self.lt is None or created < self.lt)
            and (self.lte is None or created <= self.lte)
        )


class ListParams(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: int = 10
    starting_after: str | None = None
    ending_before: str | None = None
    created: Created | int | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list, rendered; `url` is the list's path."""

    data: list[Any]
    has_more: bool
    url: str


class Call:
    """One request to an endpoint: the world and the ids in its path. `account` is the Stripe-Account header."""

    def __init__(self, world: World, path: dict[str, str], *, url: str, account: str | None) -> None:
        self.world = world
        self.path = path
        self.url = url
        self.account = account

    def named(self, kind: type[R], what: str, param: str) -> R:
        """The resource whose id is in the path. Raises 404."""
        return self.world.need(kind, self.path[param], what, param=param, in_path=True)

    def page(self, kind: type[L], params: ListParams, *, keep: Callable[[L], bool] | None = None, **wanted: str | None) -> Page:
        """A list of one kind, newest first, filtered by indexed fields and `keep`."""
        if not 1 <= params.limit <= PAGE_MAX:
            raise Refusal(400, f"Limit must be from 1 to {PAGE_MAX}.", code="parameter_invalid_integer", param="limit")
        if params.starting_after and params.ending_before:
            raise Refusal(400, "You may only specify one of these parameters: starting_after, ending_before.")
        for name, cursor in (("starting_after", params.starting_after), ("ending_before", params.ending_before)):
            if cursor is not None and self.world.books.get(kind, cursor) is None:
                raise missing(kind.__name__.lower(), cursor, name, in_path=False)
        rows, more = self.world.books.page(
            kind,
            lambda row: _created_holds(params.created, row.created) and (keep is None or keep(row)),
            limit=params.limit,
            after=params.starting_after,
            before=params.ending_before,
            wanted=wanted,
        )
        return Page(
            data=[row.body if isinstance(row, Event) else self.world.renderer.show(row) for row in rows], has_more=more, url=self.url
        )


Answer = Resource | Page | dict[str, Any] | msgspec.Raw


def checked_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Raises Refusal beyond Stripe's limits: 50 keys of 40 characters, values of 500."""
    if len(metadata) > METADATA_MAX_KEYS:
        raise Refusal(400, f"Metadata may have at most {METADATA_MAX_KEYS} keys.", param="metadata")
    for name, value in metadata.items():
        if len(name) > METADATA_MAX_KEY or len(value) > METADATA_MAX_VALUE:
            raise Refusal(400, f"Metadata key or value too long: {name[:METADATA_MAX_KEY]}", param="metadata")
    return {name: value for name, value in metadata.items() if value != ""}


def refuse_method_types(given: list[str]) -> None:
    """Since API version 2026-09-30 a list of payment method types is `allowed_payment_method_types`."""
    if given:
        raise Refusal(
            400,
            "`payment_method_types` is no longer supported. Use `allowed_payment_method_types`.",
            code="payment_method_types_no_longer_supported",
            param="payment_method_types",
        )


def _created_holds(wanted: Created | int | None, created: int) -> bool:
    if isinstance(wanted, Created):
        return wanted.holds(created)
    return wanted is None or created == wanted
