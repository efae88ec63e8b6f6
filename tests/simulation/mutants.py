"""Plays seeds of mutated copies of the service: which is the first that finds the fault put in?"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from tests.simulation.mutations import Mutation
from tests.support.server import session_server

ROOT = Path(__file__).parents[2]
SECONDS = re.compile(r" \(\d+\.\d+ s\)$")
COPIED = ("app", "solver", "migrations", "tests")


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The first seed that finds a mutation and what it said, or None after `played` seeds."""

    mutation: Mutation
    played: int
    seed: int | None
    said: str


def play_mutants(mutations: Sequence[Mutation], seeds: Sequence[int], *, jobs: int) -> Iterator[Finding]:
    """Each mutation in a copy of its own, all on one server; yielded in their order. What is edited here meanwhile changes none of them."""
    with session_server() as server, tempfile.TemporaryDirectory(prefix="busload-unmutated-") as kept, ThreadPoolExecutor(jobs) as pool:
        copy_tree(ROOT, Path(kept))
        yield from pool.map(lambda mutation: play_mutant(mutation, seeds, of=Path(kept), server=server), mutations)


def play_mutant(mutation: Mutation, seeds: Sequence[int], *, of: Path, server: str) -> Finding:
    """One copy, until a seed finds what is wrong with it."""
    with tempfile.TemporaryDirectory(prefix="busload-mutant-") as folder:
        copy_tree(of, Path(folder))
        put_in(mutation, Path(folder))
        return play_copy(Path(folder), mutation, seeds, server=server)


def copy_tree(of: Path, folder: Path) -> None:
    """The service and what plays it."""
    for name in COPIED:
        shutil.copytree(of / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


def put_in(mutation: Mutation, folder: Path) -> None:
    """One edit."""
    path = folder / mutation.path
    text = path.read_text(encoding="utf-8")
    if text.count(mutation.old) != 1:
        raise LookupError(f"{mutation.what}: its place in {mutation.path} has changed")
    path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")


def play_copy(folder: Path, mutation: Mutation, seeds: Sequence[int], *, server: str) -> Finding:
    """Plays the seeds with the copy's code."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seeds", f"{seeds[0]}-{seeds[-1]}", "--jobs", "1", "--no-page", "--brief", "--first"],
        cwd=folder, env={**os.environ, "DATABASE_URL": server}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in {0, 1} or not done.stdout:
        raise RuntimeError(f"{mutation.what}: {done.stderr[-2000:]}")
    *lines, last = done.stdout.strip().splitlines()
    report = json.loads(last)
    told = next((line for line in lines if line.startswith("seed ")), "")
    said = SECONDS.sub("", told.partition(": ")[2])  # of several lines the first says enough
    return Finding(mutation=mutation, played=report["played"], seed=min(report["failed"], default=None), said=said)
