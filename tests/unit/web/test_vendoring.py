"""What we vendored is what vendor.json says, no more and no less."""

import json
from pathlib import Path

import pytest

from app.web.vendoring import FOR_TESTS, SERVED, sha256


def recorded(root: Path) -> dict[str, str]:
    return {path: digest for asset in json.loads((root / "vendor.json").read_text()) for path, digest in asset["files"].items()}


@pytest.mark.parametrize("root", [SERVED, FOR_TESTS], ids=lambda root: root.parent.name)
def test_every_vendored_file_has_its_recorded_hash(root: Path) -> None:
    found = {str(path.relative_to(root)): sha256(path) for path in root.rglob("*") if path.is_file() and path.name != "vendor.json"}
    assert found == recorded(root)


@pytest.mark.parametrize("root", [SERVED, FOR_TESTS], ids=lambda root: root.parent.name)
def test_every_package_comes_with_its_licence(root: Path) -> None:
    for asset in json.loads((root / "vendor.json").read_text()):
        assert any("LICENSE" in path for path in asset["files"]), asset["package"]
