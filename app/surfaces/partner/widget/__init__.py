"""The widget a partner puts into its page: `v1.js` (loader) and the card modules it imports; README.md has the contract.

Addresses: `/w/v1.js` floats (short cache), `/w/<VERSION>.js` and `/w/<VERSION>/card*.js` never change (immutable). All are served
with `Access-Control-Allow-Origin: *` and without cookies.
"""

import base64
import hashlib
from pathlib import Path

FOLDER = Path(__file__).parent
VERSION = "1.0.0"
LOADER = FOLDER / "v1.js"
CARD_MODULES = ("card.js", "card-style.js", "card-words.js")


def integrity(path: Path = LOADER) -> str:
    """The `integrity` attribute of a script tag that names the immutable loader."""
    return f"sha384-{base64.b64encode(hashlib.sha384(path.read_bytes()).digest()).decode()}"


def reserved_height_px(rows: int) -> int:
    """The height the element holds for its rows at a root font size of 16 px: what the no-JavaScript table in the snippet is given."""
    return 92 * rows + 132
