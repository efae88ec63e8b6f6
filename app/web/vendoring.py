"""Fetches the browser assets we serve ourselves, from npm packages, and records what they are: `python -m app.web.vendoring`.

Needs `npm` and network; nothing at run time does. Each root gets a `vendor.json` that lists package, version, licence, files and
SHA-256; tests/unit/web/test_vendoring.py holds the files to it.
"""

import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import msgspec

from app.web.outlines import write_outlines

HERE = Path(__file__).resolve().parent
SERVED = HERE / "static" / "vendor"
FOR_TESTS = HERE.parents[1] / "tests" / "support" / "vendor"
NPM_TIMEOUT_S = 300


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """One npm package and the files taken from it; a scoped package is filed under `name`."""

    npm: str
    version: str
    licence: str
    files: tuple[str, ...]
    name: str = ""

    @property
    def folder(self) -> str:
        return f"{self.name or self.npm}/{self.version}"


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of vendor.json; `files` maps the path below the root to its SHA-256."""

    package: str
    version: str
    licence: str
    files: dict[str, str]


def _fonts(family: str, suffix: str) -> tuple[str, ...]:
    return ("LICENSE", *(f"files/{family}-{subset}-{suffix}.woff2" for subset in ("latin", "latin-ext")))


SERVED_PACKAGES = (
    Package(npm="htmx.org", version="2.0.11", licence="0BSD", files=("LICENSE", "dist/htmx.min.js")),
    Package(npm="htmx-ext-sse", version="2.2.4", licence="0BSD", files=("LICENSE", "dist/sse.min.js")),
    Package(
        npm="maplibre-gl",
        version="5.24.1",
        licence="BSD-3-Clause",
        files=("LICENSE.txt", "dist/maplibre-gl-csp.js", "dist/maplibre-gl-csp-worker.js", "dist/maplibre-gl.css"),
    ),
    Package(npm="qr-scanner", version="1.4.2", licence="MIT", files=("LICENSE", "qr-scanner.min.js", "qr-scanner-worker.min.js")),
    Package(npm="@noble/ed25519", name="noble-ed25519", version="3.2.0", licence="MIT", files=("LICENSE", "index.js")),
    Package(
        npm="swagger-ui-dist",
        version="5.35.0",
        licence="Apache-2.0",
        files=("LICENSE", "NOTICE", "swagger-ui-bundle.js", "swagger-ui.css"),
    ),
    Package(
        npm="@fontsource-variable/familjen-grotesk",
        name="familjen-grotesk",
        version="5.3.0",
        licence="OFL-1.1",
        files=_fonts("familjen-grotesk", "wght-normal"),
    ),
    Package(
        npm="@fontsource/barlow-condensed",
        name="barlow-condensed",
        version="5.3.0",
        licence="OFL-1.1",
        files=_fonts("barlow-condensed", "600-normal"),
    ),
)
TEST_PACKAGES = (Package(npm="axe-core", version="4.14.1", licence="MPL-2.0", files=("LICENSE", "axe.min.js")),)
WORLD = Package(npm="world-atlas", version="2.0.2", licence="ISC", files=("LICENSE", "countries-50m.json"))
STATES = Package(npm="us-atlas", version="3.0.1", licence="ISC", files=("LICENSE", "states-10m.json"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def unpack(package: Package, into: Path) -> Path:
    """The package's folder, fetched with `npm pack` at its exact version."""
    command = ["npm", "pack", f"{package.npm}@{package.version}", "--silent", "--pack-destination", str(into)]
    packed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=NPM_TIMEOUT_S)
    with tarfile.open(into / packed.stdout.strip().splitlines()[-1]) as archive:
        archive.extractall(into / package.folder, filter="data")
    return into / package.folder / "package"


def take(package: Package, root: Path) -> Asset:
    """Copies the listed files of a package to root/<name>/<version>/ and says what they are."""
    hashes = {}
    with tempfile.TemporaryDirectory() as scratch:
        source = unpack(package, Path(scratch))
        for file in package.files:
            target = root / package.folder / Path(file).name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((source / file).read_bytes())
            hashes[str(target.relative_to(root))] = sha256(target)
    return Asset(package=package.npm, version=package.version, licence=package.licence, files=hashes)


def take_outlines(root: Path) -> Asset:
    """Land, borders and US states as small GeoJSON, derived from the two atlas packages (Natural Earth and US Census, public domain)."""
    folder = root / "outlines" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        world, states = (unpack(package, Path(scratch)) for package in (WORLD, STATES))
        (folder / "LICENSE").write_bytes((world / "LICENSE").read_bytes())
        write_outlines(world / "countries-50m.json", states / "states-10m.json", folder)
    files = {str(path.relative_to(root)): sha256(path) for path in sorted(folder.iterdir())}
    return Asset(package=f"{WORLD.npm} + {STATES.npm}", version=f"{WORLD.version} + {STATES.version}", licence="ISC", files=files)


def record(root: Path, assets: list[Asset]) -> None:
    (root / "vendor.json").write_text(json.dumps(msgspec.to_builtins(assets), indent=2) + "\n")


def main() -> None:
    record(SERVED, [*(take(package, SERVED) for package in SERVED_PACKAGES), take_outlines(SERVED)])
    record(FOR_TESTS, [take(package, FOR_TESTS) for package in TEST_PACKAGES])
    sys.stdout.write(f"{SERVED}\n{FOR_TESTS}\n")


if __name__ == "__main__":
    main()
