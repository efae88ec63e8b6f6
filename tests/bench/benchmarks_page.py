"""docs/benchmarks.md: every benchmark and soak rewrites its own section there and leaves the others alone."""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def where_and_when(command: str) -> str:
    """The line under a section's title: what was run, when, on what."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, {machine}."


def read_section(title: str) -> str:
    """What stands under `## title`, "" where there is none."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    return old.partition(f"## {title}\n")[2].partition("\n## ")[0]


def write_section(title: str, text: str) -> None:
    """Puts `text` under `## title`, in place of what stood there; a new section goes to the end."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else "# Benchmarks\n"
    before, found, rest = old.partition(f"## {title}\n")
    _, more, after = rest.partition("\n## ") if found else ("", "", "")
    page = before.rstrip() + f"\n\n## {title}\n\n{text.strip()}\n" + (f"\n## {after}" if more else "")
    PAGE.write_text(page, encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def finish(figures: dict[str, Any], missed: Sequence[str]) -> int:
    """Prints the figures as one JSON object, the last line of every benchmark -> exit status: 1 when a bar was missed."""
    print(json.dumps({**figures, "missed": list(missed)}))
    return 1 if missed else 0
