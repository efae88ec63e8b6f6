"""What a child can be asked to do. Each method takes plain values and gives back plain values (they cross a pipe)."""

from collections.abc import Callable

from solver.admit import Gate
from solver.children import Job
from solver.draft import Draft
from solver.instance import Instance
from solver.routing import routing_draft


class Desk:
    """The tasks over one problem; `note` sends something to the parent before the task is done."""

    def __init__(self, instance: Instance, note: Callable[[object], None]) -> None:
        self.instance, self.note = instance, note
        self.gate = Gate(instance)

    def work(self, job: Job) -> object:
        """Runs a task by its name."""
        methods: dict[str, Callable[..., object]] = {"route": self.route}
        return methods[job.name](**job.arguments)

    def route(self, seconds: float, *, improve: bool) -> Draft:
        """A draft by the routing library."""
        return routing_draft(self.gate, seconds, improve=improve)
