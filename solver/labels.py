"""Words on a picture, put only where they lie upon nothing: the venue's name, how full each bus is, the largest stops."""

from collections.abc import Iterable, Iterator

import msgspec

from solver.sketch import HEIGHT, WIDTH, Point, Sketch, SketchDuty

MOST_LOADS, MOST_NAMES, LONGEST = 40, 18, 22
FEW_DUTIES, FULL_PERCENT = 20, 95  # of more duties only those are marked that have room
CHAR, LINE, GAP = 7.4, 16, 4  # picture points of a 14-point letter
ALONG = (0.55, 0.42, 0.68, 0.3, 0.8)  # where on the last way before the venue a bus's load may stand


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """A word centred at a point; `operator` is whose bus it is about, if it is about one."""

    x: float
    y: float
    text: str
    operator: int | None = None


Box = tuple[float, float, float, float]


class Desk:
    """What is taken of the picture between two edges."""

    def __init__(self, left: int, right: int) -> None:
        self.left, self.right = left, right
        self.taken: list[Box] = []

    def block(self, x: float, y: float, radius: float) -> None:
        self.taken.append((x - radius, y - radius, x + radius, y + radius))

    def place(self, text: str, spots: Iterable[tuple[float, float]], operator: int | None = None) -> Label | None:
        """The word at the first free spot, or nowhere."""
        wide = CHAR * len(text) / 2
        for x, y in spots:
            box = (x - wide, y - LINE / 2, x + wide, y + LINE / 2)
            inside = box[0] >= self.left and box[2] <= self.right and box[1] >= 0 and box[3] <= HEIGHT
            if inside and not any(_meet(box, other) for other in self.taken):
                self.taken.append(box)
                return Label(x=round(x, 1), y=round(y, 1), text=text, operator=operator)
        return None


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def labels_of(sketch: Sketch, radii: list[float], *, left: int = 0, right: int = WIDTH) -> list[Label]:
    """-> the words of a picture between two edges, whose stops have these radii; of a large one no stops' names."""
    desk = Desk(left, right)
    desk.block(*sketch.venue, 18)
    for stop, radius in zip(sketch.stops, radii, strict=True):
        desk.block(*stop.at, radius + 1)
    found = [desk.place(_short(sketch.venue_name), _around(sketch.venue, 18, sketch.venue_name))] if sketch.venue_name else []
    found += [desk.place(f"{duty.full} %", _along(sketch, duty), duty.operator) for duty in marked(sketch)]
    if len(sketch.duties) <= MOST_LOADS:
        largest = sorted(range(len(sketch.stops)), key=lambda number: -sketch.stops[number].people)[:MOST_NAMES]
        for number in largest:
            stop = sketch.stops[number]
            if stop.name and stop.people:
                text = f"{_short(stop.name)} ({stop.people})"
                found.append(desk.place(text, _around(stop.at, radii[number], text)))
    return [label for label in found if label is not None]


def marked(sketch: Sketch) -> list[SketchDuty]:
    """The duties whose load is written beside them: all of a few, else the emptiest."""
    if len(sketch.duties) <= FEW_DUTIES:
        return list(sketch.duties)
    return sorted((duty for duty in sketch.duties if duty.full < FULL_PERCENT), key=lambda duty: duty.full)[:MOST_LOADS]


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _around(at: Point, radius: float, text: str) -> Iterator[tuple[float, float]]:
    """Right of a place, left, below, above."""
    (x, y), wide = at, CHAR * min(len(text), LONGEST + LINE) / 2
    yield x + radius + GAP + wide, y
    yield x - radius - GAP - wide, y
    yield x, y + radius + LINE / 2 + 2
    yield x, y - radius - LINE / 2 - 2


def _along(sketch: Sketch, duty: SketchDuty) -> Iterator[tuple[float, float]]:
    """On the way between the venue and the stop next to it."""
    nearest = duty.outbound[-1] if duty.outbound else duty.back[0]
    (vx, vy), (x, y) = sketch.venue, sketch.stops[nearest].at
    for share in ALONG:
        yield vx + share * (x - vx), vy + share * (y - vy)
