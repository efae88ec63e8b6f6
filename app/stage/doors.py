"""The ways into the demo world: one address per role."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """An address that signs its visitor in, and what there is to see."""

    role: str
    url: str
    note: str


class Doors(msgspec.Struct, frozen=True, kw_only=True):
    """What seeding gives: the doors to print, and the event that the partner's own page shows in our widget."""

    doors: tuple[Door, ...]
    widget_event: str
    widget_key: str
    widget_event_name: str
    widget_event_place: str


SeedWorld = Callable[[Mapping[str, str]], Awaitable[Doors]]
"""Seeds the world on first call and mints fresh doors on every one; gets the environment that `serve` gets."""
