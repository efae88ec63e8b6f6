"""Every state that the schema knows has a word and a signal on the pages."""

import re
from pathlib import Path

import pytest

from app.web.status_labels import LABELS, status_label

MIGRATIONS = Path(__file__).resolve().parents[3] / "migrations" / "sql"
TABLES = {
    "event": "events",
    "trip": "trips",
    "pledge": "pledges",
    "payment": "payments",
    "refund": "refunds",
    "offer": "offers",
    "stop": "stops",
    "payout": "payouts",
    "reversal": "payout_reversals",
    "incident": "incidents",
    "dispute": "disputes",
    "transfer": "transfers",
    "waitlist": "waitlist",
}
TONES = {"good", "info", "wait", "bad", "void", "mute", "live"}


def states_in_schema(table: str) -> set[str]:
    sql = "\n".join(path.read_text() for path in sorted(MIGRATIONS.glob("*.sql")))
    body = re.search(rf"CREATE TABLE {table} \((.*?)\n\);", sql, re.DOTALL)
    assert body, table
    check = re.search(r"\n\s+state\s[^\n]*?CHECK\s*\(state IN\s*\(([^)]*)\)", body[1], re.DOTALL)
    assert check, table
    return set(re.findall(r"'(\w+)'", check[1]))


@pytest.mark.parametrize(("kind", "table"), TABLES.items())
def test_pages_know_exactly_the_states_of_the_schema(kind: str, table: str) -> None:
    assert set(LABELS[kind]) == states_in_schema(table)


def test_every_tone_is_one_the_style_sheet_has() -> None:
    assert {tone for states in LABELS.values() for _, tone in states.values()} <= TONES


def test_an_unknown_state_is_a_bug_and_says_so() -> None:
    with pytest.raises(KeyError):
        status_label("flying", "trip")
