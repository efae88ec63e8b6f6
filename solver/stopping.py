"""When to stop: criteria as objects, combined with `|` (the first that holds) and `&` (all hold)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class SearchState:
    """What a criterion may look at. `gap` is None until a bound is known."""

    seconds: float
    iterations: int
    cost_minor: int
    gap: float | None
    seconds_since_improvement: float
    iterations_since_improvement: int


class Stop(Protocol):
    """A stop criterion. `time_limit_s` and `iteration_limit` let the search size its slices; None means unlimited."""

    @property
    def time_limit_s(self) -> float | None: ...

    @property
    def iteration_limit(self) -> int | None: ...

    def reached(self, state: SearchState) -> bool: ...


class Combinable(ABC):
    """The operators every criterion of this file shares."""

    @property
    def time_limit_s(self) -> float | None:
        return None

    @property
    def iteration_limit(self) -> int | None:
        return None

    @abstractmethod
    def reached(self, state: SearchState) -> bool: ...

    def __or__(self, other: Stop) -> "AnyOf":
        """Whichever comes first."""
        return AnyOf(self, other)

    def __and__(self, other: Stop) -> "AllOf":
        """When both hold."""
        return AllOf(self, other)


class TimeLimit(Combinable):
    """Stops after so many seconds of wall time."""

    def __init__(self, seconds: float) -> None:
        if not 0 <= seconds < 10**9:
            raise ValueError("seconds must be between 0 and 10^9")
        self._seconds = seconds

    @property
    def time_limit_s(self) -> float | None:
        return self._seconds

    def reached(self, state: SearchState) -> bool:
        return state.seconds >= self._seconds


class IterationLimit(Combinable):
    """Stops after so many neighbourhoods; with the same seed and threads the plan is the same each time."""

    def __init__(self, iterations: int) -> None:
        if iterations < 0:
            raise ValueError("iterations must not be negative")
        self._iterations = iterations

    @property
    def iteration_limit(self) -> int | None:
        return self._iterations

    def reached(self, state: SearchState) -> bool:
        return state.iterations >= self._iterations


class GapLimit(Combinable):
    """Stops once the plan is proven to lie within this gap (0.03 is three per cent)."""

    def __init__(self, gap: float) -> None:
        if gap < 0:
            raise ValueError("gap must not be negative")
        self._gap = gap

    def reached(self, state: SearchState) -> bool:
        return state.gap is not None and state.gap <= self._gap


class NoImprovement(Combinable):
    """Stops after so many seconds, or so many neighbourhoods, without a better plan."""

    def __init__(self, *, seconds: float | None = None, iterations: int | None = None) -> None:
        if seconds is None and iterations is None:
            raise ValueError("give seconds, iterations or both")
        self._seconds, self._iterations = seconds, iterations

    def reached(self, state: SearchState) -> bool:
        if self._seconds is not None and state.seconds_since_improvement >= self._seconds:
            return True
        return self._iterations is not None and state.iterations_since_improvement >= self._iterations


class AnyOf(Combinable):
    """Stops when the first of its parts does."""

    def __init__(self, *parts: Stop) -> None:
        self._parts = parts

    @property
    def time_limit_s(self) -> float | None:
        return min((limit for part in self._parts if (limit := part.time_limit_s) is not None), default=None)

    @property
    def iteration_limit(self) -> int | None:
        return min((limit for part in self._parts if (limit := part.iteration_limit) is not None), default=None)

    def reached(self, state: SearchState) -> bool:
        return any(part.reached(state) for part in self._parts)


class AllOf(Combinable):
    """Stops when all of its parts do."""

    def __init__(self, *parts: Stop) -> None:
        self._parts = parts

    @property
    def time_limit_s(self) -> float | None:
        limits = [part.time_limit_s for part in self._parts]
        return max((limit for limit in limits if limit is not None), default=None) if None not in limits else None

    @property
    def iteration_limit(self) -> int | None:
        limits = [part.iteration_limit for part in self._parts]
        return max((limit for limit in limits if limit is not None), default=None) if None not in limits else None

    def reached(self, state: SearchState) -> bool:
        return all(part.reached(state) for part in self._parts)
