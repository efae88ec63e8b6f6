"""The widget's files, their version and their hash."""

import hashlib
import re
from base64 import b64encode
from functools import cache
from pathlib import Path

import msgspec

WIDGET = Path(__file__).parent / "widget"
LOADER = "v1.js"
VERSION = re.compile(r'const VERSION = "(1\.\d+\.\d+)"')


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The widget as it is served: the loader's version and the hash that pins it (Subresource Integrity)."""

    version: str
    integrity: str
    files: dict[str, bytes]

    @property
    def loader(self) -> bytes:
        """The script a page includes."""
        return self.files[LOADER]


@cache
def read_release(folder: Path = WIDGET) -> Release:
    """The release in a folder, read once; LookupError when the loader names no version."""
    files = {path.name: path.read_bytes() for path in sorted(folder.glob("*.js"))}
    found = VERSION.search(files[LOADER].decode())
    if found is None:
        raise LookupError("the widget's loader names no version")
    digest = b64encode(hashlib.sha384(files[LOADER]).digest()).decode()
    return Release(version=found[1], integrity=f"sha384-{digest}", files=files)
