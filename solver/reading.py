"""The door: a problem file becomes a Problem, or every fault in it is named.

Nothing malformed gets past here, because the routing library aborts the process on it.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from solver.problem import LEGS, PROBLEM_FORMAT, Problem, ProblemError

MAX_FAULTS = 500
# Upper limits keep every product of a duty inside 64 bits: 400 legs x 10^8 m x 10^8 per km stays below 2^63.
MAX_TRAVEL = 10**8
MAX_RATE = 10**8
MAX_MONEY = 10**12
MAX_CLOCK = 10**12
MAX_COUNT = 10**6

Check = Callable[[Any], str | None]


def integer(low: int, high: int) -> Check:
    """A check that a value is a JSON integer within both limits."""

    def check(value: Any) -> str | None:
        if type(value) is not int:
            return f"{shown(value)} is not an integer"
        if not low <= value <= high:
            return f"{shown(value)} is not between {low} and {high}"
        return None

    return check


def number(low: float, high: float) -> Check:
    """A check that a value is a finite JSON number within both limits."""

    def check(value: Any) -> str | None:
        if type(value) not in (int, float) or not math.isfinite(value):
            return f"{shown(value)} is not a finite number"
        return None if low <= value <= high else f"{shown(value)} is not between {low:g} and {high:g}"

    return check


def text(value: Any) -> str | None:
    return None if type(value) is str and value else f"{shown(value)} is not a text with at least one character"


def any_text(value: Any) -> str | None:
    return None if type(value) is str else f"{shown(value)} is not a text"


def shown(value: Any) -> str:
    """The value as a message may quote it: short, whatever it is."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return "null" if value is None else repr(value)[:40]


count, clock = integer(0, MAX_COUNT), integer(-MAX_CLOCK, MAX_CLOCK)
limit_s, money, rate = integer(0, MAX_CLOCK), integer(0, MAX_MONEY), integer(0, MAX_RATE)
travel = integer(0, MAX_TRAVEL)
PLACE: dict[str, Check] = {"id": text, "lat": number(-90, 90), "lon": number(-180, 180)}
VENUE = PLACE | {"arrive_by_s": clock, "return_departs_s": clock}
STOP = PLACE | {"name": any_text, "dwell_s": travel, "max_ride_s": limit_s}
PARTY: dict[str, Check] = {"id": text, "stop": text, "seats": count, "wheelchairs": count}
VEHICLE: dict[str, Check] = {
    "id": text,
    "operator": text,
    "depot": text,
    "seats": count,
    "wheelchair_places": count,
    "available_from_s": clock,
    "available_to_s": clock,
    "rules": text,
}
HIRE: dict[str, Check] = {
    "call_out": money,
    "per_km": rate,
    "per_h": rate,
    "standby_per_h": rate,
    "minimum": money,
    "second_driver": money,
}
RULES: dict[str, Check] = {
    "max_driving_s": limit_s,
    "max_spread_s": limit_s,
    "max_driving_2_s": limit_s,
    "max_spread_2_s": limit_s,
    "break_after_s": integer(1, MAX_CLOCK),
    "break_s": travel,
}


class Reader:
    """Walks a decoded file and collects faults; every method keeps going after one."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def fault(self, path: str, message: str) -> None:
        self.faults.append(f"{path}: {message}")

    def object_at(self, parent: Any, key: str, path: str) -> dict[str, Any] | None:
        value = parent.get(key)
        if key not in parent:
            self.fault(path, "is missing")
        elif not isinstance(value, dict):
            self.fault(path, f"{shown(value)} is not an object")
        else:
            return value
        return None

    def list_at(self, parent: dict[str, Any], key: str, path: str) -> list[Any]:
        value = parent.get(key)
        if key not in parent:
            self.fault(path, "is missing")
        elif not isinstance(value, list):
            self.fault(path, f"{shown(value)} is not a list")
        else:
            return value
        return []

    def fields(self, value: dict[str, Any], checks: dict[str, Check], path: str) -> None:
        prefix = f"{path}." if path else ""
        for key, check in checks.items():
            if key not in value:
                self.fault(prefix + key, "is missing")
            elif message := check(value[key]):
                self.fault(prefix + key, message)

    def items(self, root: dict[str, Any], key: str, checks: dict[str, Check], ids: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
        """Checks each object of a list; `ids` maps every id seen to its path and grows."""
        found = []
        for index, item in enumerate(self.list_at(root, key, key)):
            path = f"{key}[{index}]"
            if not isinstance(item, dict):
                self.fault(path, f"{shown(item)} is not an object")
                continue
            self.fields(item, checks, path)
            self.unique(item, path, ids)
            found.append((path, item))
        return found

    def unique(self, item: dict[str, Any], path: str, ids: dict[str, str]) -> None:
        if type(name := item.get("id")) is str and name:
            if name in ids:
                self.fault(f"{path}.id", f"{shown(name)} is already the id of {ids[name]}")
            ids.setdefault(name, path)

    def known(self, item: dict[str, Any], key: str, path: str, names: set[str], what: str) -> None:
        if type(name := item.get(key)) is str and name and name not in names:
            self.fault(f"{path}.{key}", f"{shown(name)} is not the id of a {what}")


def read_parties(reader: Reader, root: dict[str, Any], stops: set[str]) -> None:
    for path, party in reader.items(root, "parties", PARTY, {}):
        reader.known(party, "stop", path, stops, "stop")
        people = [party.get("seats"), party.get("wheelchairs")]
        if all(type(number) is int for number in people) and people == [0, 0]:
            reader.fault(path, "has no person: seats and wheelchairs are both 0")
        legs = reader.list_at(party, "legs", f"{path}.legs")
        if isinstance(party.get("legs"), list) and not legs:
            reader.fault(f"{path}.legs", "is empty")
        seen: list[Any] = []
        for index, leg in enumerate(legs):
            if leg not in LEGS:
                reader.fault(f"{path}.legs[{index}]", f'{shown(leg)} is neither "outbound" nor "return"')
            elif leg in seen:
                reader.fault(f"{path}.legs[{index}]", f'"{leg}" is repeated')
            seen.append(leg)


def read_vehicles(reader: Reader, root: dict[str, Any], depots: set[str], rules: set[str]) -> None:
    for path, vehicle in reader.items(root, "vehicles", VEHICLE, {}):
        reader.known(vehicle, "depot", path, depots, "depot")
        reader.known(vehicle, "rules", path, rules, "rule set")
        hire = reader.object_at(vehicle, "hire", f"{path}.hire")
        if hire is not None:
            reader.fields(hire, HIRE, f"{path}.hire")


def read_rules(reader: Reader, root: dict[str, Any]) -> set[str]:
    rules = reader.object_at(root, "rules", "rules") or {}
    for name, rule in rules.items():
        if isinstance(rule, dict):
            reader.fields(rule, RULES, f"rules.{name}")
        else:
            reader.fault(f"rules.{name}", f"{shown(rule)} is not an object")
    return set(rules)


def read_matrix(reader: Reader, root: dict[str, Any], places: dict[str, str]) -> None:
    matrix = reader.object_at(root, "matrix", "matrix")
    if matrix is None:
        return
    ids = reader.list_at(matrix, "ids", "matrix.ids")
    seen: set[str] = set()
    for index, name in enumerate(ids):
        if message := text(name):
            reader.fault(f"matrix.ids[{index}]", message)
        elif name in seen:
            reader.fault(f"matrix.ids[{index}]", f"{shown(name)} is repeated")
        else:
            seen.add(name)
    for name in [name for name in places if name not in seen]:
        reader.fault("matrix.ids", f"{shown(name)} of {places[name]} is missing")
    for key in ("duration_s", "distance_m"):
        read_table(reader, matrix, key, len(ids))


def read_table(reader: Reader, matrix: dict[str, Any], key: str, size: int) -> None:
    rows = reader.list_at(matrix, key, f"matrix.{key}")
    if isinstance(matrix.get(key), list) and len(rows) != size:
        reader.fault(f"matrix.{key}", f"has {len(rows)} rows for {size} ids")
    for r, row in enumerate(rows):
        path = f"matrix.{key}[{r}]"
        if not isinstance(row, list):
            reader.fault(path, f"{shown(row)} is not a list")
            continue
        if len(row) != size:
            reader.fault(path, f"has {len(row)} columns for {size} ids")
        if not row or (set(map(type, row)) == {int} and min(row) >= 0 and max(row) <= MAX_TRAVEL):
            continue  # the usual case, checked a row at a time
        for c, value in enumerate(row):
            if message := travel(value):
                reader.fault(f"{path}[{c}]", message)


def find_faults(root: Any) -> list[str]:
    """-> one message per fault of a decoded problem file; empty when it keeps the format."""
    reader = Reader()
    if not isinstance(root, dict):
        return [f"problem: {shown(root)} is not an object"]
    if (name := root.get("format")) != PROBLEM_FORMAT:
        reader.fault(
            "format", f'is missing; it must be "{PROBLEM_FORMAT}"' if "format" not in root else f'{shown(name)} is not "{PROBLEM_FORMAT}"'
        )
    reader.fields(root, {"name": any_text, "currency": text}, "")
    places: dict[str, str] = {}
    if (venue := reader.object_at(root, "venue", "venue")) is not None:
        reader.fields(venue, VENUE, "venue")
        reader.unique(venue, "venue", places)
        first, last = venue.get("arrive_by_s"), venue.get("return_departs_s")
        if type(first) is int and type(last) is int and first > last:
            reader.fault("venue.return_departs_s", f"{last} is before arrive_by_s {first}")
    stops = {str(item.get("id")) for _, item in reader.items(root, "stops", STOP, places)}
    depots = {str(item.get("id")) for _, item in reader.items(root, "depots", PLACE, places)}
    read_parties(reader, root, stops)
    read_vehicles(reader, root, depots, read_rules(reader, root))
    for key, checks in (("limits", {"max_stops": integer(1, MAX_COUNT)}), ("weights", {"rider_minute_minor": rate})):
        if (value := reader.object_at(root, key, key)) is not None:
            reader.fields(value, checks, key)
    read_matrix(reader, root, places)
    return reader.faults


def parse_problem(root: Any) -> Problem:
    """A decoded problem file -> Problem. Raises ProblemError with one message per fault."""
    if faults := find_faults(root):
        more = [f"problem: and {len(faults) - MAX_FAULTS} more faults"] if len(faults) > MAX_FAULTS else []
        raise ProblemError(faults[:MAX_FAULTS] + more)
    return msgspec.convert(root, type=Problem)


def load_problem(source: bytes | str | Path) -> Problem:
    """Bytes of a problem file, or the path to one -> Problem. Raises ProblemError, or OSError for a path that cannot be read."""
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    try:
        root = msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise ProblemError([f"problem: is not JSON ({str(error)[:120]})"]) from None
    return parse_problem(root)


def encode_problem(problem: Problem) -> bytes:
    """-> the problem file's bytes (JSON, UTF-8), stable for equal problems."""
    return msgspec.json.encode(problem)
