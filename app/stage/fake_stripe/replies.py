"""Idempotency: what a key answered is replayed to the same request, refused to another, and forgotten after 24 hours.

The hours are those of the fake's own clock.
"""

import hashlib
from collections import deque

import msgspec

from app.stage.fake_stripe.books import Books
from app.stage.fake_stripe.model import StoredReply
from app.stage.fake_stripe.refusals import Refusal

KEPT_S = 24 * 3600
KEY_MAX = 255


class Replies:
    """Stored answers by key. A key is in flight from `begin` to `end`; `forgotten` counts those that were too old."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._in_flight: set[str] = set()
        kept = sorted(books.newest_first(StoredReply), key=lambda one: one.created)
        self._ages: deque[tuple[int, str]] = deque((one.created, one.id) for one in kept)
        self.forgotten = 0

    def begin(self, key: str, endpoint: str, digest: str, now: int) -> StoredReply | None:
        """The stored answer, or None with the key now in flight. Raises Refusal: key too long, key in use, other parameters."""
        self._prune(now)
        if len(key) > KEY_MAX:
            raise Refusal(400, f"Idempotency keys may have at most {KEY_MAX} characters.")
        if key in self._in_flight:
            raise Refusal(
                409,
                f"There is currently another in-progress request using this Idempotent Key: {key}",
                code="idempotency_key_in_use",
                type="idempotency_error",
            )
        stored = self._books.get(StoredReply, key)
        if stored is None:
            self._in_flight.add(key)
            return None
        if (stored.endpoint, stored.digest) != (endpoint, digest):
            raise Refusal(
                400,
                "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request.",
                type="idempotency_error",
            )
        return stored

    def store(self, key: str, endpoint: str, digest: str, *, now: int, status: int, body: bytes) -> None:
        """Keep the answer; it is on disk with the request's own effects."""
        self._books.put(StoredReply(id=key, created=now, endpoint=endpoint, digest=digest, status=status, body=msgspec.Raw(body)))
        self._ages.append((now, key))

    def end(self, key: str) -> None:
        self._in_flight.discard(key)

    def _prune(self, now: int) -> None:
        while self._ages and self._ages[0][0] <= now - KEPT_S:
            _, key = self._ages.popleft()
            self._books.drop(StoredReply, key)
            self.forgotten += 1


def digest_of(path: str, encoded: str) -> str:
    """Equal for equal requests."""
    return hashlib.sha256(f"{path}\n{encoded}".encode()).hexdigest()
