"""Finding a Chromium for the browser tests."""

import os
import shutil
from pathlib import Path

HOW_TO_INSTALL = "no Chromium found: `apt-get install chromium`, or `.venv/bin/playwright install chromium`, or set BUSLOAD_CHROMIUM"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> Path | None:
    """Return the browser named by BUSLOAD_CHROMIUM, else one on the PATH, else playwright's own download, else None."""
    given = os.environ.get("BUSLOAD_CHROMIUM")
    if given:
        return Path(given)
    for name in _NAMES:
        if found := shutil.which(name):
            return Path(found)
    downloads = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright"))
    return next(iter(sorted(downloads.glob("chromium-*/chrome-linux*/chrome"), reverse=True)), None)
