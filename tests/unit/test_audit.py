"""What pip-audit says becomes one of three answers: clean, flawed, or not asked; a broken run is never taken for a clean one."""

import json
from collections.abc import Mapping

from tools.audit_dependencies import judge

CLEAN = {"name": "a", "version": "1", "vulns": []}
FLAWED = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found"}


def said(*packages: Mapping[str, object]) -> str:
    return json.dumps({"dependencies": packages})


def test_a_known_flaw_fails_and_names_the_remedy() -> None:
    status, message = judge(1, said(CLEAN, FLAWED, UNKNOWN), "")
    assert (status, message.splitlines()[1]) == (1, "  b 2: PYSEC-1, fixed in 3")


def test_a_clean_lock_says_how_much_was_asked() -> None:
    assert judge(0, said(CLEAN, UNKNOWN), "") == (0, "pip-audit: 1 packages, no known vulnerability, 1 unknown to the database.")


def test_a_database_out_of_reach_is_said_and_passes() -> None:
    for out, err in (("", "requests.exceptions.ConnectionError: Max retries exceeded"), (said(UNKNOWN, UNKNOWN), "")):
        status, message = judge(1 if err else 0, out, err)
        assert status == 0
        assert "skipped: advisory database not reachable" in message


def test_a_broken_run_is_not_taken_for_a_clean_one() -> None:
    assert judge(1, "", "ValueError: the lock is not readable")[0] == 1
