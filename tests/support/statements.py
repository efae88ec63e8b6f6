"""Every SQL statement written in the application, read from its source."""

import ast
import re
from pathlib import Path

import msgspec

APP = Path(__file__).resolve().parents[2] / "app"
BEGINS_LIKE_SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\b")


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is written (`domain/trips/store.py:lock_trip`) and what it says."""

    where: str
    sql: str


def read_statements() -> list[Statement]:
    """All string literals that begin as SQL does, by file and function."""
    return [found for path in sorted(APP.rglob("*.py")) for found in _statements_in(path)]


def _statements_in(path: Path) -> list[Statement]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for function in ast.walk(tree):
        if isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef):
            where = f"{path.relative_to(APP)}:{function.name}"
            found += [Statement(where=where, sql=text) for text in _texts(function) if BEGINS_LIKE_SQL.match(text)]
    return found


def _texts(function: ast.AST) -> list[str]:
    formatted = {id(part) for node in ast.walk(function) if isinstance(node, ast.JoinedStr) for part in node.values}
    nodes = [node for node in ast.walk(function) if isinstance(node, ast.Constant) and id(node) not in formatted]
    return [node.value for node in nodes if isinstance(node.value, str)]


def read_formatted_sql() -> list[str]:
    """Where SQL is put together by an f-string: nowhere, it is to be hoped."""
    found = []
    for path in sorted(APP.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
                first = node.values[0].value
                if isinstance(first, str) and BEGINS_LIKE_SQL.match(first):
                    found.append(f"{path.relative_to(APP)}:{node.lineno}")
    return found
