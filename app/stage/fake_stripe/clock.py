"""The fake's own clock: this machine's, moved by an offset that the stage may set."""

import time

from app.stage.fake_stripe.books import Books
from app.stage.fake_stripe.model import ClockOffset


class Clock:
    """Unix time of the fake. The offset is kept in the books, so that it survives a restart."""

    def __init__(self, books: Books) -> None:
        self._books = books

    @property
    def offset_s(self) -> float:
        row = self._books.get(ClockOffset, "clock")
        return 0.0 if row is None else row.offset_s

    def now_s(self) -> float:
        return time.time() + self.offset_s

    def now(self) -> int:
        return int(self.now_s())

    def move_to_offset(self, offset_s: float) -> None:
        self._books.put(ClockOffset(id="clock", offset_s=offset_s))
