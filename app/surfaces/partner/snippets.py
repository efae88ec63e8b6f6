"""What a partner pastes into a page."""

from html import escape

import msgspec

from app.surfaces.partner.widget import VERSION, integrity, reserved_height_px

ROWS = 4


class Snippets(msgspec.Struct, frozen=True, kw_only=True):
    """The same widget three ways: pinned by its hash, always the newest, and for site builders that strip unknown tags."""

    pinned: str
    floating: str
    plain: str
    policy: str


def write_snippets(*, event_code: str, event_name: str, key: str, base_url: str) -> Snippets:
    """The snippets for an event and a key.

    The link inside is what a visitor gets without JavaScript; its table holds the place while the script is on its way.
    """
    link = f'<a href="{escape(base_url)}/e/{escape(event_code)}">Buses to {escape(event_name)}</a>'
    inside = f'<table height="{reserved_height_px(ROWS)}"><tr><td>{link}</table>'
    element = f'<busload-trips event="{escape(event_code)}" key="{escape(key)}" rows="{ROWS}">\n  {inside}\n</busload-trips>'
    holder = f'<div data-busload="{escape(event_code)}" data-key="{escape(key)}" data-rows="{ROWS}">\n  {inside}\n</div>'
    pinned = f'<script async src="{escape(base_url)}/w/{VERSION}.js" integrity="{integrity()}" crossorigin="anonymous"></script>'
    floating = f'<script async src="{escape(base_url)}/w/v1.js"></script>'
    return Snippets(
        pinned=f"{pinned}\n{element}",
        floating=f"{floating}\n{element}",
        plain=f"{floating}\n{holder}",
        policy=f"script-src {base_url}; connect-src {base_url}",
    )
