"""What any text and any time from outside must be before a flow looks at it."""

from datetime import datetime

OUR_DAYS = (2000, 2200)  # years; beyond them databases, calendars and time zones give up one after the other
LONGEST_NAME, LONGEST_ADDRESS, LONGEST_PHONE, LONGEST_NOTE, LONGEST_SUMMARY = 120, 300, 40, 500, 5_000
LARGEST = 2_000_000_000  # of any count or amount in minor units; fits every column


def is_line(text: str, longest: int = LONGEST_NAME) -> bool:
    """Whether a text is one line of 1 to `longest` characters: it may stand in a mail's subject and on a sheet of paper."""
    return 1 <= len(text.strip()) <= longest and text.isprintable()


def is_moment(moment: datetime) -> bool:
    """Whether a time carries its offset and lies in our days."""
    return moment.tzinfo is not None and OUR_DAYS[0] <= moment.year < OUR_DAYS[1]
