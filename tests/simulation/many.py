"""Many seeds on several processes: one database server, one template, a database of its own for each chunk of seeds."""

import asyncio
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager

import msgspec

from app.core.log import set_up_logging
from tests.simulation.play import Told, play_seed
from tests.simulation.stage import open_stage
from tests.support.server import migrated_template, scratch_database, session_server

CHUNK = 10


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """How seeds are played. `again`: twice, and the steps compared. `closely`: all invariants after each step. `first`: until one fails."""

    again: bool = False
    closely: bool = False
    first: bool = False


def play_many(seeds: Sequence[int], wanted: Wanted, *, jobs: int) -> Iterator[Told]:
    """Plays the seeds on `jobs` processes and yields each as it ends, in no order."""
    chunks = [seeds[at : at + CHUNK] for at in range(0, len(seeds), CHUNK)]
    with session_server() as server, template_on(server) as template:
        if jobs == 1 or len(chunks) == 1:
            for chunk in chunks:
                told = play_chunk(server, template, chunk, wanted)
                yield from told
                if wanted.first and told[-1].faults:
                    break
            return
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            playing = [pool.submit(play_chunk, server, template, chunk, wanted) for chunk in chunks]
            for played in as_completed(playing):
                yield from played.result()


@contextmanager
def template_on(server: str) -> Iterator[str]:
    """A migrated database to copy, while no event loop runs."""
    with asyncio.Runner() as runner:
        made = migrated_template(server)
        yield runner.run(made.__aenter__())
        runner.run(made.__aexit__(None, None, None))


def play_chunk(server: str, template: str, seeds: Sequence[int], wanted: Wanted) -> list[Told]:
    """One seed after the other on one database."""
    set_up_logging(level="CRITICAL")  # refusals and faults are what is played; the step list tells them
    return asyncio.run(play_on_one_stage(server, template, seeds, wanted))


async def play_on_one_stage(server: str, template: str, seeds: Sequence[int], wanted: Wanted) -> list[Told]:
    """The same, in an event loop."""
    async with scratch_database(server, template=template, purpose="simulation") as dsn, open_stage(dsn) as stage:
        told = []
        for seed in seeds:
            one = await play_seed(stage, seed, closely=wanted.closely)
            if wanted.again:
                repeated = await play_seed(stage, seed, closely=wanted.closely)
                if (repeated.steps, repeated.outcome) != (one.steps, one.outcome):
                    one.faults.append(f"replays differently from step {differing(one.steps, repeated.steps)} on")
            told.append(one)
            if wanted.first and one.faults:
                break
        return told


def differing(one: list[str], other: list[str]) -> str:
    """Where two step lists part."""
    for number, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return f"{number}: {left!r} / {right!r}"
    return f"{min(len(one), len(other))}"
