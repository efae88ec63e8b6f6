"""Plays seeds of mutated copies of the service: which of the faults put in do they find, and how many seeds find each?"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from tests.simulation.mutations import Mutation
from tests.support.server import session_server

ROOT = Path(__file__).parents[2]
COPIED = ("app", "solver", "migrations", "tests")
ROUNDS = (10, 40)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the seeds played found a mutation, and the first thing that one of them said."""

    what: str
    played: int
    found: list[int]
    said: str


def play_mutants(mutations: Sequence[Mutation], seeds: Sequence[int], *, jobs: int) -> Iterator[Finding]:
    """One mutation after the other, each in a copy of its own on one server; more seeds only where the ones before find nothing."""
    with session_server() as server:
        for mutation in mutations:
            with tempfile.TemporaryDirectory(prefix="busload-mutant-") as folder:
                copy_tree(Path(folder), mutation)
                played = 0
                for some in rounds_of(seeds):
                    found = play_copy(Path(folder), mutation, some, server=server, jobs=jobs)
                    played += found.played
                    if found.found:
                        break
                yield replace(found, played=played)


def rounds_of(seeds: Sequence[int]) -> list[Sequence[int]]:
    """A few seeds, some more, and all others."""
    rounds = seeds[: ROUNDS[0]], seeds[ROUNDS[0] : ROUNDS[1]], seeds[ROUNDS[1] :]
    return [some for some in rounds if some]


def copy_tree(folder: Path, mutation: Mutation) -> None:
    """The service with one edit."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / mutation.path
    text = path.read_text(encoding="utf-8")
    if text.count(mutation.old) != 1:
        raise LookupError(f"{mutation.what}: its place in {mutation.path} has changed")
    path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")


def play_copy(folder: Path, mutation: Mutation, seeds: Sequence[int], *, server: str, jobs: int) -> Finding:
    """Plays the seeds with the copy's code."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seeds", f"{seeds[0]}-{seeds[-1]}", "--jobs", str(jobs), "--no-page", "--brief"],
        cwd=folder, env={**os.environ, "DATABASE_URL": server}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode not in {0, 1} or not done.stdout:
        raise RuntimeError(f"{mutation.what}: {done.stderr[-2000:]}")
    *lines, last = done.stdout.strip().splitlines()
    report = json.loads(last)
    return Finding(what=mutation.what, played=report["played"], found=report["failed"], said=lines[0] if lines else "")
