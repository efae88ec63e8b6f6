"""State machines as data: one StrEnum and one table of arrows each, the same as the database's (a test compares them)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from app.core.errors import Conflict

S = TypeVar("S", bound=StrEnum)


class Machine(Generic[S]):
    """A named machine: the states a subject may be born in, and for each state those that may follow."""

    def __init__(self, name: str, *, births: frozenset[S], arrows: Mapping[S, frozenset[S]]) -> None:
        self.name = name
        self.births = births
        self.arrows = arrows

    def allows(self, come_from: S, go_to: S) -> bool:
        """Whether the arrow exists."""
        return go_to in self.arrows.get(come_from, frozenset())

    def check(self, come_from: S, go_to: S) -> None:
        """Raises Conflict (`<machine>_is_<state>`) when the arrow does not exist."""
        if not self.allows(come_from, go_to):
            raise Conflict(
                f"This {self.name} is {come_from.value.replace('_', ' ')}; it cannot become {go_to.value.replace('_', ' ')}.",
                code=f"{self.name}_is_{come_from.value}",
            )

    def rows(self) -> set[tuple[str, str, str]]:
        """The machine as rows of `state_transitions`; '' is birth."""
        births = {(self.name, "", state.value) for state in self.births}
        return births | {(self.name, before.value, after.value) for before, states in self.arrows.items() for after in states}
