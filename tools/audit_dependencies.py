"""Asks the advisory database about every locked package (pip-audit). Findings fail; a database out of reach is said and passes."""

import json
import subprocess
import sys
from pathlib import Path

LOCK = "requirements-dev.lock"
TIMEOUT_S = 90
OUT_OF_REACH = ("ConnectionError", "ConnectTimeout", "ReadTimeout", "Max retries exceeded", "NameResolutionError", "ServiceError")
SKIPPED = "pip-audit skipped: advisory database not reachable"


def judge(returncode: int, out: str, err: str) -> tuple[int, str]:
    """Exit status and message for what pip-audit said. Packages that the database does not know at all count as not audited."""
    try:
        packages = json.loads(out)["dependencies"]
    except (ValueError, KeyError):
        if any(sign in err for sign in OUT_OF_REACH):
            return 0, f"{SKIPPED}."
        return 1, f"pip-audit failed (status {returncode}):\n{err[-2000:]}"
    audited = [package for package in packages if "skip_reason" not in package]
    found = [(package["name"], package["version"], flaw) for package in audited for flaw in package["vulns"]]
    if found:
        lines = [f"  {name} {version}: {flaw['id']}, fixed in {', '.join(flaw['fix_versions']) or 'none'}" for name, version, flaw in found]
        return 1, f"{len(found)} known vulnerabilities in {LOCK}:\n" + "\n".join(lines)
    if not audited:
        return 0, f"{SKIPPED} (it knew none of {len(packages)} packages)."
    missing = f", {len(packages) - len(audited)} unknown to the database" if len(packages) > len(audited) else ""
    return 0, f"pip-audit: {len(audited)} packages, no known vulnerability{missing}."


def main() -> int:
    """Audits the lock file next to this folder."""
    command = [str(Path(sys.executable).with_name("pip-audit")), "--requirement", LOCK, "--require-hashes", "--disable-pip"]
    command += ["--progress-spinner", "off", "--timeout", "5", "--format", "json"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=Path(__file__).resolve().parents[1]
        )
    except subprocess.TimeoutExpired:
        print(f"{SKIPPED} within {TIMEOUT_S} seconds.")
        return 0
    status, message = judge(done.returncode, done.stdout, done.stderr)
    print(message)
    return status


if __name__ == "__main__":
    sys.exit(main())
