import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

import solver
from tests.solver.events import event, tiny

Edit = Callable[[dict[str, Any]], object]


def faults_of(root: Any) -> list[str]:
    with pytest.raises(solver.ProblemError) as caught:
        solver.parse_problem(root)
    return caught.value.faults


@pytest.mark.parametrize(
    ("edit", "path"),
    [
        (lambda p: p.update(format="busload.problem/2"), "format"),
        (lambda p: p.pop("name"), "name"),
        (lambda p: p["venue"].pop("arrive_by_s"), "venue.arrive_by_s"),
        (lambda p: p["venue"].update(lat=float("nan")), "venue.lat"),
        (lambda p: p["venue"].update(return_departs_s=0), "venue.return_departs_s"),
        (lambda p: p["stops"][0].update(dwell_s=-1), "stops[0].dwell_s"),
        (lambda p: p["stops"][0].update(max_ride_s=1.5), "stops[0].max_ride_s"),
        (lambda p: p["stops"].append(p["stops"][0]), "stops[1].id"),
        (lambda p: p["stops"][0].update(id="venue"), "stops[0].id"),
        (lambda p: p["parties"][0].update(stop="nowhere"), "parties[0].stop"),
        (lambda p: p["parties"][0].update(seats=0), "parties[0]"),
        (lambda p: p["parties"][0].update(seats=True), "parties[0].seats"),
        (lambda p: p["parties"][0].update(legs=[]), "parties[0].legs"),
        (lambda p: p["parties"][0].update(legs=["outbound", "outbound"]), "parties[0].legs[1]"),
        (lambda p: p["parties"][0].update(legs=["there"]), "parties[0].legs[0]"),
        (lambda p: p["vehicles"][0]["hire"].update(per_km=None), "vehicles[0].hire.per_km"),
        (lambda p: p["vehicles"][0].pop("hire"), "vehicles[0].hire"),
        (lambda p: p["vehicles"][0].update(rules="none"), "vehicles[0].rules"),
        (lambda p: p["vehicles"][0].update(depot="s1"), "vehicles[0].depot"),
        (lambda p: p["vehicles"].append("bus"), "vehicles[1]"),
        (lambda p: p["rules"]["open"].update(break_after_s=0), "rules.open.break_after_s"),
        (lambda p: p["rules"].update(bad=3), "rules.bad"),
        (lambda p: p["limits"].update(max_stops=0), "limits.max_stops"),
        (lambda p: p.update(weights=[]), "weights"),
        (lambda p: p["matrix"]["ids"].remove("d1"), "matrix.ids"),
        (lambda p: p["matrix"]["duration_s"][1].pop(), "matrix.duration_s[1]"),
        (lambda p: p["matrix"]["distance_m"][0].__setitem__(2, "far"), "matrix.distance_m[0][2]"),
        (lambda p: p["matrix"]["distance_m"][0].__setitem__(2, -5), "matrix.distance_m[0][2]"),
        (lambda p: p["matrix"].update(duration_s=7), "matrix.duration_s"),
    ],
)
def test_a_fault_is_named_by_its_path(edit: Edit, path: str) -> None:
    root = copy.deepcopy(tiny())
    edit(root)
    assert path in [fault.split(":")[0] for fault in faults_of(root)]


def test_every_fault_has_a_message_of_its_own() -> None:
    root = tiny()
    root["vehicles"][0]["hire"]["per_km"] = -1
    root["parties"][0]["legs"] = ["outbound", "outbound"]
    root["stops"][0]["dwell_s"] = "5"
    assert [fault.split(":")[0] for fault in faults_of(root)] == ["stops[0].dwell_s", "parties[0].legs[1]", "vehicles[0].hire.per_km"]


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"format": NaN}', b"[]", b"null"])
def test_what_is_no_problem_at_all_is_one_fault(data: bytes) -> None:
    with pytest.raises(solver.ProblemError) as caught:
        solver.load_problem(data)
    assert len(caught.value.faults) == 1


def test_a_file_without_anything_names_each_missing_part() -> None:
    paths = {fault.split(":")[0] for fault in faults_of({})}
    assert {"format", "name", "venue", "stops", "depots", "parties", "vehicles", "rules", "limits", "weights", "matrix"} <= paths


def test_a_good_problem_survives_writing_and_reading() -> None:
    read = solver.parse_problem(event(3))
    assert solver.load_problem(solver.encode_problem(read)) == read
    assert json.loads(solver.encode_problem(read))["parties"][0]["legs"]
