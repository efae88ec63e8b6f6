"""docs/races.md names a test and a control for every race; all of them exist, and no control of the suite is missing."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/races.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (?!\*\*|Race |---)([^|]+) \| ([^|]+) \| `(tests/[\w/]+\.py)::(test_\w+)` \| ((?:`test_\w+`(?:, )?)+) \|$", re.MULTILINE
)
ROWS: list[tuple[str, str, str, str, str]] = ROW.findall(PAGE)


@cache
def named_in(path: str) -> frozenset[str]:
    """The test functions of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds) and node.name.startswith("test_"))


def controls_of(controls: str) -> list[str]:
    """The names in a row's last cell."""
    return re.findall(r"`(test_\w+)`", controls)


def test_every_row_of_a_race_is_complete() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith("|") and not re.match(r"\| (\*\*|Race )|\|---", line)]
    assert len(ROWS) == len(lines), "a race needs what decides, a test with its file, and a control of the same file"
    assert len({race for race, *_ in ROWS}) == len(ROWS)


def test_every_test_and_control_exists() -> None:
    missing = [
        f"{path}::{name}" for _, _, path, test, controls in ROWS for name in (test, *controls_of(controls)) if name not in named_in(path)
    ]
    assert missing == []


def test_every_control_of_the_suite_is_named() -> None:
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")]
    found = {f"{path}::{name}" for path in files for name in named_in(path) if name.startswith("test_control_")}
    named = {f"{path}::{name}" for _, _, path, _, controls in ROWS for name in controls_of(controls)}
    assert found <= named, "docs/races.md does not tell of these"
