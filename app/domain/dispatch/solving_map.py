"""The best plan so far as a picture: told in notes by whoever solves, put together and drawn by whoever shows it.

Kept nowhere. A note has to fit a notification, so that a large picture is cut: notes of the same version belong together.
"""

import base64
import binascii
import zlib
from collections.abc import Callable, Mapping, Sequence

import msgspec

import solver
from solver.picture import LegendRow
from solver.plan import Plan, PlannedDuty
from solver.problem import Problem

PART_CHARS, MOST_PARTS = 6_000, 20  # a notification carries 8,000 bytes; what is larger than all parts is not shown
MOST_BYTES = 4_000_000
MapOperator = LegendRow
"""A line of the picture's legend."""
PlanSketch = solver.Sketch
"""What a picture is drawn from."""


class SolvingMap(msgspec.Struct, frozen=True, kw_only=True):
    """The best plan `seconds` after the search began; `version` grows from picture to picture."""

    version: int
    seconds: float
    people: int
    people_left: int
    sketch: solver.Sketch


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One note: which picture it is of, how many parts that has, and the text of this one."""

    version: int
    parts: int
    text: str


def map_of(
    problem: Problem, kept: Sequence[PlannedDuty], rest: Plan, *, names: Mapping[str, str], version: int, seconds: float
) -> SolvingMap:
    """The picture of a plan of the rest beside the duties that are kept; `names` are what operators are called."""
    whole = msgspec.structs.replace(rest, duties=(*kept, *rest.duties))
    persons = {party.id: party.persons for party in problem.parties}
    return SolvingMap(
        version=version,
        seconds=round(seconds, 1),
        people=sum(persons.values()),
        people_left=sum(persons[entry.party] for entry in rest.unserved),
        sketch=solver.sketch_of(problem, whole, names=names),
    )


def cut(drawn: SolvingMap) -> list[str]:
    """A picture's notes; none when it is too large to be told."""
    text = base64.b64encode(zlib.compress(msgspec.json.encode(drawn))).decode()
    parts = [text[begin : begin + PART_CHARS] for begin in range(0, len(text), PART_CHARS)]
    return [msgspec.json.encode(Part(drawn.version, len(parts), part)).decode() for part in parts] if len(parts) <= MOST_PARTS else []


def put_together(note: Callable[[int], str]) -> SolvingMap | None:
    """The picture in the notes number 0, 1, ...; None when there is none or its parts are of different versions."""
    first = read_part(note(0))
    if first is None:
        return None
    parts = [first, *(read_part(note(number)) for number in range(1, min(first.parts, MOST_PARTS)))]
    if any(part is None or part.version != first.version for part in parts):
        return None
    try:
        packed = base64.b64decode("".join(part.text for part in parts if part is not None), validate=True)
        return msgspec.json.decode(zlib.decompressobj().decompress(packed, MOST_BYTES), type=SolvingMap)
    except (binascii.Error, zlib.error, msgspec.DecodeError):
        return None


def read_part(note: str) -> Part | None:
    """One note, if there is any."""
    return msgspec.json.decode(note, type=Part) if note else None


def draw(sketch: solver.Sketch, picked: int | None = None) -> str:
    """The picture as an `<svg>` element, everything in it escaped; the ways of others than the picked operator are faint."""
    return solver.draw_sketch(sketch, legend=False, picked=picked)


def legend_of(sketch: solver.Sketch) -> list[MapOperator]:
    """Who drives how many buses, how full: those with a colour of their own first, most buses first."""
    return solver.legend_of(sketch)
