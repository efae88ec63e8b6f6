"""Pages that say the same to everybody who is shown the same: rendered once for all of them.

Kept by what they say and never by time. Whoever asks has read everything anew; when it is what somebody was shown before, down to the last
counter, so is the page. What is a visitor's own (the token and the key of a form) is no part of what is kept: it is put in for each.
"""

import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec
from jinja2 import Environment
from markupsafe import escape

MAX_KEPT = 128  # some 20 kB each


class SamePages:
    """The pages of one process that were shown last."""

    def __init__(self, environment: Environment, *, limit: int = MAX_KEPT) -> None:
        self._environment, self._limit = environment, limit
        self._kept: OrderedDict[bytes, list[str]] = OrderedDict()
        self._secret = secrets.token_hex(16)  # nobody can write a mark into what a page shows

    def __len__(self) -> int:
        """How many pages are kept."""
        return len(self._kept)

    def mark(self, name: str) -> str:
        """What stands for a visitor's own text in the views: `name` is letters and underscores."""
        return f"{name}-{self._secret}-"

    def render(self, template: str, views: Mapping[str, Any], own: Mapping[str, str]) -> str:
        """The page as HTML, `own` texts escaped where the views have their marks. Views are what msgspec can encode."""
        shown = msgspec.msgpack.encode((template, views))
        pieces = self._kept.get(shown)
        if pieces is None:
            pieces = self._kept[shown] = self._in_pieces(self._environment.get_template(template).render(**views))
            if len(self._kept) > self._limit:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(shown)
        return "".join(str(escape(own[piece])) if number % 2 else piece for number, piece in enumerate(pieces))

    def _in_pieces(self, html: str) -> list[str]:
        """Text and names of own texts, by turns."""
        return re.split(rf"([a-z_]+)-{self._secret}-", html)
