"""When the world's events are: days reckoned from today, clock times in the venue's zone."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from app.stage.world.records import EventRecord

SATURDAY = 5
MARCH_AHEAD = timedelta(days=35)
ARRIVES_IN = timedelta(hours=3)
FESTIVAL_LASTS = timedelta(days=4)


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """An event's moments."""

    arrive_by_at: datetime
    starts_at: datetime
    ends_at: datetime
    return_departs_at: datetime
    booking_closes_at: datetime
    capacity_deadline_at: datetime


def march_day(today: date) -> date:
    """The first Saturday at least five weeks ahead."""
    earliest = today + MARCH_AHEAD
    return earliest + timedelta(days=(SATURDAY - earliest.weekday()) % 7)


def times_on(record: EventRecord, day: date, *, booking_closes_at: datetime, capacity_deadline_at: datetime) -> Times:
    """The record's clock times on a day."""
    zone = ZoneInfo(record.zone)

    def at(clock: str) -> datetime:
        return datetime.combine(day, time.fromisoformat(clock), tzinfo=zone)

    return Times(
        arrive_by_at=at(record.arrive),
        starts_at=at(record.start),
        ends_at=at(record.end),
        return_departs_at=at(record.leave),
        booking_closes_at=booking_closes_at,
        capacity_deadline_at=capacity_deadline_at,
    )


def festival_times(now: datetime, zone_name: str) -> Times:
    """Today's festival: the coaches arrive in about three hours and go home on the last morning."""
    arrive = (now + ARRIVES_IN).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    last_day = (arrive + FESTIVAL_LASTS).astimezone(ZoneInfo(zone_name)).date()
    leave = datetime.combine(last_day, time(11, 0), tzinfo=ZoneInfo(zone_name))
    return Times(
        arrive_by_at=arrive,
        starts_at=arrive + timedelta(hours=1),
        ends_at=leave - timedelta(hours=1),
        return_departs_at=leave,
        booking_closes_at=now - timedelta(days=16),
        capacity_deadline_at=now - timedelta(days=8),
    )
