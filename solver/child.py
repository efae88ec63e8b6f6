"""The main function of a child process: reads a problem, then tasks, answers each, ends with its pipe."""

import random
import sys
from multiprocessing.connection import Connection

from solver import tasks
from solver.children import Answer, Job
from solver.instance import Instance
from solver.problem import Problem


def main(descriptor: int) -> None:
    """Serves tasks until the parent closes the socket."""
    pipe = Connection(descriptor)
    random.seed(0)
    try:
        problem = pipe.recv()
        if not isinstance(problem, Problem):
            raise TypeError("the first message must be a Problem")
        desk = tasks.Desk(Instance(problem), lambda note: pipe.send(Answer(final=False, value=note)))
        while True:
            job = pipe.recv()
            if not isinstance(job, Job):
                raise TypeError("a task must be a Job")
            pipe.send(Answer(final=True, value=desk.work(job)))
    except (EOFError, OSError):
        return  # the parent is gone or has had enough


if __name__ == "__main__":
    main(int(sys.argv[1]))
