"""IANA zone names from outside."""

from zoneinfo import ZoneInfo


class ZoneUnknown(ValueError):
    """No time zone has this name."""


def read_zone(name: str) -> ZoneInfo:
    """The zone of a name such as `Europe/Vienna`. Raises ZoneUnknown for anything else, folders of the zone database among it."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # no such file, no such path, a folder such as `America` or a name too long
        raise ZoneUnknown(f"{name[:60]} is no time zone; use an IANA name such as Europe/Vienna.") from None
