"""Token buckets in memory: quota at once, then refilling evenly. The least recently seen are forgotten first."""

import math
from collections import OrderedDict

MAX_BUCKETS = 50_000


class Buckets:
    """The buckets of one policy. Times in seconds of any clock that only runs forward."""

    def __init__(self, *, quota: int, window_s: float, limit: int = MAX_BUCKETS) -> None:
        self._quota, self._per_s, self._limit = quota, quota / window_s, limit
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()  # tokens left, at which time

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._buckets)

    def take(self, who: bytes, now_s: float) -> tuple[int, int]:
        """Takes one token. Returns (tokens left, or -1 when there was none; whole seconds until there is one, at least 1)."""
        left, at_s = self._buckets.pop(who, (float(self._quota), now_s))
        left = min(self._quota, left + (now_s - at_s) * self._per_s)
        given = left >= 1
        left -= given
        self._buckets[who] = (left, now_s)
        if len(self._buckets) > self._limit:
            self._buckets.popitem(last=False)
        wait_s = max(1, math.ceil((1 - left) / self._per_s))
        return (int(left), wait_s) if given else (-1, wait_s)
