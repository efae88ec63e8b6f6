"""Functions compiled by numba: from a cache that `python -m solver.warm` fills once, interpreted where it was not filled.

Compiling takes 17 s, longer than most searches may take, so that a search never does it. Both ways give the same
answers. What was compiled lies beside the library's own byte code, in a folder named after everything it depends on.
"""

import ctypes
import mmap
import sys
import zlib
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

SOURCES = ("routes.py", "strings.py")
Function = TypeVar("Function", bound=Callable[..., Any])
now = False  # compile whatever is not in the cache: set by `solver.warm` only


@cache
def place() -> Path:
    """The folder for what is compiled from these sources, by these libraries, for this processor.

    The cache in it knows its sources by path and time of change, so that these count as well.
    """
    here = Path(__file__).parent
    facts = [
        str(here),
        sys.version,
        *(version(name) for name in ("numba", "numpy")),
        *(f"{(here / name).stat().st_mtime}" for name in SOURCES),
    ]
    parts = [*(fact.encode() for fact in facts), *((here / name).read_bytes() for name in SOURCES), _processor()]
    return here / "__pycache__" / f"compiled-{zlib.crc32(b'|'.join(parts)):08x}"


def _processor() -> bytes:
    """What tells this processor from others, as far as the system says."""
    try:
        lines = Path("/proc/cpuinfo").read_bytes().splitlines()
    except OSError:
        return b""
    return b"|".join(sorted({line for line in lines if line.startswith((b"model name", b"flags", b"Features", b"CPU part"))}))


def ready() -> bool:
    """Whether everything is in the cache."""
    return (place() / "ready").exists()


@cache
def wanted() -> bool:
    """What this process does with all of them, whatever happens to the cache meanwhile."""
    return now or ready()


@cache
def _numba() -> Any:
    """The compiler's library: a sixth of a second and 100 MB, which only those who search by strings have to pay."""
    numba: Any = import_module("numba")
    numba.config.CACHE_DIR = str(place())
    give_back()
    return numba


def compiled(function: Function) -> Function:
    """The function, compiled if that takes no time. Its arrays are its caller's: none is made, kept or counted inside."""
    if not wanted():
        return function
    # without counting references to the arrays, which takes nine tenths of the time (22 us a step instead of 4)
    return cast("Function", _numba().njit(cache=True, _nrt=False)(function))


def give_back() -> None:
    """Gives the pages of the compiler's own code back to the system (70 MB): its start reads nearly all, what comes after little.

    Whatever of it is called again the system reads from the file, as it did the first time. Linux only.
    """
    advice, maps = getattr(mmap, "MADV_DONTNEED", None), Path("/proc/self/maps")
    if advice is None or not maps.exists():
        return
    for line in maps.read_text(encoding="utf-8").splitlines():
        if " r-xp " in line and line.endswith("libllvmlite.so"):
            start, end = (int(address, 16) for address in line.split()[0].split("-"))
            ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), advice)
