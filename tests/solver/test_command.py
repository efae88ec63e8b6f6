import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

import solver
from solver.command import solve_file
from tests.solver.events import event


def test_a_file_in_a_plan_out_with_picture_and_report(tmp_path: Path) -> None:
    source, out, svg, html = (tmp_path / name for name in ("problem.json", "plan.json", "plan.svg", "plan.html"))
    root = event(5)
    root["stops"][0]["name"] = "<Fish & Chips>"
    source.write_text(json.dumps(root))
    said: list[str] = []
    assert solve_file(source, out=out, time_limit_s=1.0, seed=1, svg=svg, html=html, say=said.append) == 0
    plan = solver.decode_plan(out.read_bytes())
    assert said == []
    assert solver.check_plan(solver.load_problem(source), plan) == []
    drawing = ET.fromstring(svg.read_text())
    lines = [node for node in drawing.iter() if node.tag.endswith("polyline")]
    assert len(lines) >= len(plan.duties)
    report = html.read_text()
    assert "<Fish" not in report
    assert all(f"<td>{duty.vehicle}" in report for duty in plan.duties)
    assert "http" not in report.replace("http://www.w3.org/2000/svg", "")


def test_a_broken_file_is_status_2_with_every_fault_and_no_plan(tmp_path: Path) -> None:
    source, out = tmp_path / "problem.json", tmp_path / "plan.json"
    root = event(5)
    root["vehicles"][1]["hire"]["per_km"] = "cheap"
    root["limits"] = {}
    source.write_text(json.dumps(root))
    said: list[str] = []
    assert solve_file(source, out=out, say=said.append) == 2
    assert [line.split(":")[0] for line in said] == ["vehicles[1].hire.per_km", "limits.max_stops"]
    assert not out.exists()


def test_a_search_that_ran_interpreted_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, said = tmp_path / "problem.json", list[str]()
    source.write_text(json.dumps(event(5)))
    monkeypatch.setattr("solver.compiled.ready", lambda: False)
    assert solve_file(source, out=tmp_path / "plan.json", time_limit_s=0.3, say=said.append) == 0
    assert ["solver.warm" in line for line in said] == [True]


def test_a_missing_file_is_status_2(tmp_path: Path) -> None:
    said: list[str] = []
    assert solve_file(tmp_path / "none.json", say=said.append) == 2
    assert "cannot be read" in said[0]


def test_the_module_runs_on_its_own(tmp_path: Path) -> None:
    source, out = tmp_path / "problem.json", tmp_path / "plan.json"
    source.write_bytes(msgspec.json.encode(event(6)))
    run = subprocess.run(
        [sys.executable, "-m", "solver", source, "--out", out, "--time-limit", "0.5", "--seed", "3"],
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert (run.returncode, run.stderr) == (0, b"")
    assert solver.decode_plan(out.read_bytes()).problem == "event-6"
