"""How badly the fake behaves: rates for chaos, and single faults for a test that wants one exactly here."""

import random
from enum import StrEnum

import msgspec


class Fault(StrEnum):
    """What goes wrong with one request.

    `server_error` answers 500 before the effect; `server_error_after_effect` after it; both are stored under the idempotency key.
    `lost_reply` does it and cuts the connection; `cut_before_effect` cuts it with nothing done; `slow_reply` does it and answers
    `slow_reply_s` later.
    """

    SERVER_ERROR = "server_error"
    SERVER_ERROR_AFTER_EFFECT = "server_error_after_effect"
    LOST_REPLY = "lost_reply"
    CUT_BEFORE_EFFECT = "cut_before_effect"
    SLOW_REPLY = "slow_reply"
    RATE_LIMITED = "rate_limited"


class Rates(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Chances from 0 to 1 per request or per delivery, and times in seconds.

    `endpoints` limits request faults to those named (empty: all POSTs).
    """

    server_error_rate: float = 0.0
    server_error_after_effect_rate: float = 0.0
    lost_reply_rate: float = 0.0
    cut_before_effect_rate: float = 0.0
    decline_rate: float = 0.0
    latency_s: float = 0.0
    latency_jitter_s: float = 0.0
    slow_reply_s: float = 30.0
    endpoints: tuple[str, ...] = ()
    webhook_duplicate_rate: float = 0.0
    webhook_drop_rate: float = 0.0
    webhook_delay_s: float = 0.0
    webhook_shuffle_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what is no chance and no time."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, float | int) and (value < 0 or (name.endswith("_rate") and value > 1)):
                raise ValueError(f"{name} must be {'from 0 to 1' if name.endswith('_rate') else '0 or more'}")


class SingleFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault for the next request to `endpoint` (as in `POST /v1/payment_intents/{intent}/confirm`), after `skip` that pass."""

    endpoint: str
    fault: Fault
    skip: int = 0


class Chaos:
    """The dice. Seeded, so that a run can be repeated."""

    def __init__(self, rates: Rates, seed: int) -> None:
        self.rates = rates
        self.waiting: list[SingleFault] = []
        self.struck: dict[str, int] = {}
        self._random = random.Random(seed)  # noqa: S311 - dice for tests, nothing secret

    def fault_for(self, endpoint: str) -> Fault | None:
        """The fault that strikes this request, if any. A single fault goes before the dice and is used up."""
        fault = self._single(endpoint) or self._rolled(endpoint)
        if fault is not None:
            self.note(fault)
        return fault

    def note(self, what: str) -> None:
        """Count what has gone wrong."""
        self.struck[what] = self.struck.get(what, 0) + 1

    def latency_s(self) -> float:
        rates = self.rates
        return rates.latency_s + (self._random.uniform(0, rates.latency_jitter_s) if rates.latency_jitter_s else 0.0)

    def declines(self) -> bool:
        return self._happened(self.rates.decline_rate, "decline")

    def webhook_is_dropped(self) -> bool:
        return self._happened(self.rates.webhook_drop_rate, "webhook_dropped")

    def webhook_delays_s(self) -> list[float]:
        """When to send a webhook: one delay, or two when it is duplicated."""
        copies = 2 if self._happened(self.rates.webhook_duplicate_rate, "webhook_doubled") else 1
        shuffle = self.rates.webhook_shuffle_s
        return [self.rates.webhook_delay_s + (self._random.uniform(0, shuffle) if shuffle else 0.0) for _ in range(copies)]

    def _happened(self, rate: float, what: str) -> bool:
        happens = self._happens(rate)
        if happens:
            self.note(what)
        return happens

    def _happens(self, rate: float) -> bool:
        return rate > 0 and self._random.random() < rate

    def _single(self, endpoint: str) -> Fault | None:
        for place, one in enumerate(self.waiting):
            if one.endpoint != endpoint:
                continue
            if one.skip > 0:
                self.waiting[place] = msgspec.structs.replace(one, skip=one.skip - 1)
                return None
            del self.waiting[place]
            return one.fault
        return None

    def _rolled(self, endpoint: str) -> Fault | None:
        rates = self.rates
        if endpoint not in rates.endpoints if rates.endpoints else not endpoint.startswith("POST "):
            return None
        for fault, rate in (
            (Fault.SERVER_ERROR, rates.server_error_rate),
            (Fault.SERVER_ERROR_AFTER_EFFECT, rates.server_error_after_effect_rate),
            (Fault.LOST_REPLY, rates.lost_reply_rate),
            (Fault.CUT_BEFORE_EFFECT, rates.cut_before_effect_rate),
        ):
            if self._happens(rate):
                return fault
        return None
