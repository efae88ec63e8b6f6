"""docs/security.md answers every requirement of ASVS 5.0 levels 1 and 2 once, and every test it names exists."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| v5\.0\.0-(\d+\.\d+\.\d+) \| ([^|]+) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
SENTENCE = 2  # words at least

# Section by section: how its numbers of levels 1 and 2 run. Sections left out are those the document names as not applying, and those
# whose requirements are all of level 3.
LEVELS_1_AND_2 = {
    "1.1": [1, 2], "1.2": range(1, 10), "1.3": range(1, 12), "1.4": range(1, 4), "1.5": [1, 2],
    "2.1": range(1, 4), "2.2": range(1, 4), "2.3": range(1, 5), "2.4": [1],
    "3.2": [1, 2], "3.3": range(1, 5), "3.4": range(1, 7), "3.5": range(1, 6), "3.7": [1, 2],
    "4.1": range(1, 4), "4.2": [1],
    "6.1": [1, 3], "6.3": range(1, 5), "6.4": range(1, 5), "6.5": range(1, 6), "6.6": range(1, 4),
    "7.1": [1, 2], "7.2": range(1, 5), "7.3": [1, 2], "7.4": range(1, 6), "7.5": [1, 2],
    "8.1": [1, 2], "8.2": range(1, 4), "8.3": [1], "8.4": [1],
    "9.1": range(1, 4), "9.2": range(1, 5),
    "11.1": [1, 2], "11.2": range(1, 4), "11.3": range(1, 4), "11.4": range(1, 5), "11.5": [1], "11.6": [1],
    "12.1": range(1, 4), "12.2": [1, 2], "12.3": range(1, 5),
    "13.1": [1], "13.2": range(1, 6), "13.3": [1, 2], "13.4": range(1, 6),
    "14.1": [1, 2], "14.2": range(1, 5), "14.3": range(1, 4),
    "15.1": range(1, 4), "15.2": range(1, 4), "15.3": range(1, 8),
    "16.1": [1], "16.2": range(1, 6), "16.3": range(1, 5), "16.4": range(1, 4), "16.5": range(1, 4),
}  # fmt: skip
REQUIREMENTS = {f"{section}.{number}" for section, numbers in LEVELS_1_AND_2.items() for number in numbers}
ROWS: list[tuple[str, str, str]] = ROW.findall((ROOT / "docs/security.md").read_text(encoding="utf-8"))


@cache
def names_in(path: str) -> frozenset[str]:
    """The test functions of a file."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds) and node.name.startswith("test_"))


def test_every_requirement_is_answered_once() -> None:
    numbers = [number for number, _, _ in ROWS]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) == REQUIREMENTS


def test_every_answer_is_a_test_that_exists_or_a_reason() -> None:
    wrong = []
    for number, _, answer in ROWS:
        named = TEST.fullmatch(answer)
        if named is None:
            wrong += [number] if "::" in answer or len(answer.split()) < SENTENCE else []
        elif not (ROOT / named[1]).is_file() or named[2] not in names_in(named[1]):
            wrong.append(f"{number}: {answer}")
    assert wrong == []
