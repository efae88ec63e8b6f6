"""The receipt on paper: A4, one page as a rule."""

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import typst

from app.domain.manifests.paper import FOLDER as FONTS

LAYOUT = Path(__file__).parent / "receipt.typ"


def print_receipt(receipt: msgspec.Struct) -> bytes:
    """A receipt (a Struct of texts, see `receipt.Receipt`) as a PDF."""
    template: Any = _template()  # the library's stubs leave its input a bare type variable
    made: bytes | list[bytes] = typst.compile(
        template,
        format="pdf",
        font_paths=[str(FONTS)],
        ignore_system_fonts=True,
        sys_inputs={"data": msgspec.json.encode(receipt).decode()},
    )
    assert isinstance(made, bytes)
    return made


@cache
def _template() -> bytes:
    return LAYOUT.read_bytes()
