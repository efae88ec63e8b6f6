import stat
from pathlib import Path

import pytest

from app.stage.demo_state import DemoFolder
from app.stage.errors import StageError
from app.stage.postgres import kept_server


def test_secrets_stay_the_same_and_are_nobody_elses(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path / "state")
    first = folder.prepare()
    assert folder.prepare() == first
    assert stat.S_IMODE((folder.folder / "secrets.json").stat().st_mode) == 0o600
    assert DemoFolder(tmp_path / "other").prepare() != first


def test_starting_over_forgets_everything_but_not_while_a_demo_runs(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path / "state")
    first = folder.prepare()
    with kept_server(folder.state) as server:
        home = server.home
        with pytest.raises(StageError, match="is running"):
            folder.forget(with_database=True)
    folder.forget(with_database=True)
    assert not home.exists()
    assert folder.prepare() != first
