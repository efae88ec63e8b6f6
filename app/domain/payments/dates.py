"""The dates that riders are told: when a failed charge is tried again, warned of and given up, and when money is back."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

COLLECTION_WINDOW = timedelta(days=7)
RETRY_EVERY = timedelta(hours=48)
RETRIES = 3
LAST_WARNING = timedelta(hours=24)  # before the window's end
WARNED_ALREADY = timedelta(hours=36)  # a mail this shortly before the end is the warning
REFUND_DAYS = (5, 10)  # working days that banks take
WEEKEND = 5


def next_attempt(due_since: datetime, now: datetime, collect_until: datetime) -> datetime | None:
    """When a failed charge is tried again: 2, 4 and 6 days after it became due, never after the window; None when it is over.

    The dates are fixed, whatever else is tried meanwhile: a rider's own attempt or an hour without Stripe costs nobody a retry.
    """
    for number in range(1, RETRIES + 1):
        when = due_since + number * RETRY_EVERY
        if now < when <= collect_until:
            return when
    return None


def warning_at(next_attempt_at: datetime | None, now: datetime, collect_until: datetime) -> datetime | None:
    """When the rider is warned a last time, unless a mail comes late enough anyway: the one of now, or the next attempt's."""
    if next_attempt_at is not None or collect_until - now < WARNED_ALREADY:
        return None
    return collect_until - LAST_WARNING


def working_days_after(day: date, number: int) -> date:
    """So many days later, Saturdays and Sundays not counted; public holidays are a bank's own affair."""
    while number:
        day += timedelta(days=1)
        number -= day.weekday() < WEEKEND
    return day


def refund_arrival(sent_at: datetime, zone: str) -> tuple[date, date]:
    """The days between which a bank shows a refund, on the calendar of an IANA zone."""
    sent = sent_at.astimezone(ZoneInfo(zone)).date()
    first, last = REFUND_DAYS
    return working_days_after(sent, first), working_days_after(sent, last)
