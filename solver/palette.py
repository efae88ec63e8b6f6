"""Colours of operators in pictures: twelve that can be told apart, one for all others."""

COLOURS = (
    "#2664e0",
    "#d73337",
    "#03a14a",
    "#c762dd",
    "#bc8707",
    "#19a0a6",
    "#f1579f",
    "#707000",
    "#977cfd",
    "#ac5006",
    "#087864",
    "#0e99c9",
)
"""Hues in OKLCH, neighbours on the wheel of unlike lightness; each has a contrast of at least 3 with a white page and with a black one."""
OTHERS = "#8b8880"
PICKED = COLOURS[0]


def colour_of(operator: int) -> str:
    """An operator's colour by its number."""
    return COLOURS[operator] if operator < len(COLOURS) else OTHERS
