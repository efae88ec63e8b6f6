"""Turns TopoJSON atlases into the small GeoJSON behind our maps: land, country borders, US state borders.

Coordinates are degrees (lon, lat) to two decimals, about 1 km: enough for a map of towns and routes that names no streets.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

Point = tuple[float, float]
Line = list[Point]

TOLERANCE_DEG = 0.02
TOLERANCE_ELSEWHERE_DEG = 0.25
SMALLEST_RING_DEG2 = 0.02
WINDOW = (-130.0, 20.0, 45.0, 72.0)


def write_outlines(world: Path, states: Path, folder: Path) -> None:
    """Writes land.json and borders.json (GeoJSON) into the folder."""
    world_topology = json.loads(world.read_text())
    states_topology = json.loads(states.read_text())
    arcs = [simplified(arc) for arc in decoded_arcs(world_topology)]
    land = [[closed(arcs, ring) for ring in polygon] for polygon in polygons(world_topology["objects"]["land"])]
    kept = [[ring for ring in polygon if is_shown(ring)] for polygon in land]
    _write(folder / "land.json", {"type": "MultiPolygon", "coordinates": [polygon for polygon in kept if polygon]})
    lines = shared_arcs(world_topology, "countries", arcs)
    lines += shared_arcs(states_topology, "states", [simplified(arc) for arc in decoded_arcs(states_topology)])
    _write(folder / "borders.json", {"type": "MultiLineString", "coordinates": [line for line in lines if in_window(line)]})


def _write(path: Path, geometry: dict[str, Any]) -> None:
    path.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": geometry}, separators=(",", ":")) + "\n")


def decoded_arcs(topology: dict[str, Any]) -> list[Line]:
    """Quantised, delta-encoded arcs as degrees."""
    (scale_x, scale_y), (shift_x, shift_y) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for arc in topology["arcs"]:
        x = y = 0
        line = []
        for delta_x, delta_y in arc:
            x, y = x + delta_x, y + delta_y
            line.append((x * scale_x + shift_x, y * scale_y + shift_y))
        arcs.append(line)
    return arcs


def simplified(line: Line) -> Line:
    """Douglas-Peucker by arc, so that neighbours keep sharing their border; ends stay, coordinates are rounded."""
    tolerance = TOLERANCE_DEG if in_window(line) else TOLERANCE_ELSEWHERE_DEG
    keep = {0, len(line) - 1}
    spans = [(0, len(line) - 1)]
    while spans:
        first, last = spans.pop()
        offsets = [(_offset(line[i], line[first], line[last]), i) for i in range(first + 1, last)]
        if offsets and max(offsets)[0] > tolerance:
            split = max(offsets)[1]
            keep.add(split)
            spans += [(first, split), (split, last)]
    return [(round(line[i][0], 2), round(line[i][1], 2)) for i in sorted(keep)]


def _offset(point: Point, start: Point, end: Point) -> float:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    px, py = point[0] - start[0], point[1] - start[1]
    return abs(dx * py - dy * px) / length if length else math.hypot(px, py)


def polygons(geometry: dict[str, Any]) -> Iterator[list[list[int]]]:
    """The polygons of a geometry or collection, each a list of rings of arc indices."""
    if geometry["type"] == "GeometryCollection":
        for part in geometry["geometries"]:
            yield from polygons(part)
    elif geometry["type"] == "MultiPolygon":
        yield from geometry["arcs"]
    elif geometry["type"] == "Polygon":
        yield geometry["arcs"]


def closed(arcs: list[Line], ring: list[int]) -> Line:
    """A ring's points; ~i means arc i backwards, and arcs share their end points."""
    points: Line = []
    for index in ring:
        arc = arcs[index] if index >= 0 else arcs[~index][::-1]
        points += arc[1:] if points else arc
    return points


def is_shown(ring: Line) -> bool:
    """Whether a ring is big enough to see; islands elsewhere than in the window need ten times the area."""
    area = abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))) / 2
    return area > SMALLEST_RING_DEG2 * (1 if in_window(ring) else 10)


def in_window(line: Line) -> bool:
    west, south, east, north = WINDOW
    return any(west <= x <= east and south <= y <= north for x, y in line)


def shared_arcs(topology: dict[str, Any], name: str, arcs: list[Line]) -> list[Line]:
    """Arcs that two areas have in common: borders, not coasts."""
    uses: Counter[int] = Counter()
    for polygon in polygons(topology["objects"][name]):
        uses.update(index if index >= 0 else ~index for ring in polygon for index in ring)
    return [arcs[index] for index, count in sorted(uses.items()) if count > 1]
