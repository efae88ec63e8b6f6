"""Stripe's request limits, for the account and for each endpoint, as token buckets on the fake's clock."""


class Bucket:
    """Holds at most one second's worth of requests."""

    def __init__(self, per_s: int, now_s: float) -> None:
        self.per_s = per_s
        self.tokens = float(per_s)
        self.at_s = now_s

    def take(self, now_s: float) -> bool:
        self.tokens = min(float(self.per_s), self.tokens + max(0.0, now_s - self.at_s) * self.per_s)
        self.at_s = now_s
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Limits:
    """Which request is one too many."""

    def __init__(self, *, account_per_s: int, endpoint_per_s: int) -> None:
        self._account_per_s = account_per_s
        self._endpoint_per_s = endpoint_per_s
        self._buckets: dict[str, Bucket] = {}

    def reason_to_refuse(self, endpoint: str, now_s: float) -> str | None:
        """None, or Stripe's reason: `endpoint-rate` or `global-rate`."""
        if not self._take(endpoint, self._endpoint_per_s, now_s):
            return "endpoint-rate"
        return None if self._take("", self._account_per_s, now_s) else "global-rate"

    def _take(self, name: str, per_s: int, now_s: float) -> bool:
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(per_s, now_s)
        return bucket.take(now_s)
