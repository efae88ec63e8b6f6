"""What the demo remembers between runs, beside its database: secrets, mails, the fake Stripe's books, logs."""

import os
import shutil
from pathlib import Path

import msgspec

from app.stage.errors import StageError
from app.stage.orphans import end_orphans
from app.stage.postgres import lock_home
from app.stage.postgres_home import forget_kept_home, kept_home
from app.stage.roles import Secrets, new_secrets
from app.stage.server_user import server_user


class DemoFolder:
    """The folder `.busload/demo` beside the database's own; the whole of it goes with a reset."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.folder = state / "demo"

    @property
    def mails(self) -> Path:
        """The inbox's folder."""
        return self.folder / "mails"

    @property
    def stripe_journal(self) -> Path:
        """The fake Stripe's books."""
        return self.folder / "stripe.journal"

    @property
    def logs(self) -> Path:
        """What the processes write."""
        return self.folder / "logs"

    @property
    def is_complete(self) -> bool:
        """Whether the world was ever seeded to its end: one that was interrupted is better made anew."""
        return (self.folder / "complete").exists()

    def note_complete(self) -> None:
        """Remember that the world stands."""
        (self.folder / "complete").touch()

    def prepare(self) -> Secrets:
        """Make the folder and return its secrets, the same in every run: cookies and links of the last one stay good."""
        self.logs.mkdir(parents=True, exist_ok=True)
        kept = self.folder / "secrets.json"
        if kept.exists():
            return msgspec.json.decode(kept.read_bytes(), type=Secrets)
        fresh = new_secrets()
        with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as secret_file:
            secret_file.write(msgspec.json.encode(fresh))
        return fresh

    def forget(self, *, with_database: bool) -> None:
        """Delete everything; StageError while a demo is running."""
        if with_database and self.state.is_dir():
            home = kept_home(self.state, server_user())
            lock = lock_home(home)
            if lock is None:
                raise StageError("a demo is running: stop it first, then start over")
            with lock:
                end_orphans(home / "data")
                forget_kept_home(self.state, server_user())
        shutil.rmtree(self.folder, ignore_errors=True)
