"""How values read on a page: money, clock times in a zone, durations, distances, counts. Pure functions, used as template filters."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.core.money import minor_digits
from app.web.status_labels import status_label, status_tone

SYMBOLS = {
    "AUD": "A$",
    "BRL": "R$",
    "CAD": "CA$",
    "CHF": "CHF ",
    "CZK": "CZK ",
    "DKK": "DKK ",
    "EUR": "€",
    "GBP": "£",
    "HUF": "HUF ",
    "INR": "₹",
    "JPY": "¥",
    "KRW": "₩",
    "MXN": "MX$",
    "NOK": "NOK ",
    "NZD": "NZ$",
    "PLN": "PLN ",
    "SEK": "SEK ",
    "USD": "$",
}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
THIN = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
METRES_PER_MILE = 1609.344
MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86400
JUST_NOW_S = 2
WHOLE_METRES_BELOW = 995
ONE_DECIMAL_BELOW = 99.95


def money(amount_minor: int, currency: str, *, signed: bool = False) -> str:
    """`€32.00`, `$1,048.50`, `¥1,500`; `signed` also marks a positive amount. An unknown currency leads with its code."""
    code = currency.upper()
    digits = minor_digits(code)
    whole, rest = divmod(abs(amount_minor), 10**digits)
    number = f"{whole:,}" + (f".{rest:0{digits}d}" if digits else "")
    sign = MINUS if amount_minor < 0 else "+" if signed and amount_minor > 0 else ""
    return f"{sign}{SYMBOLS.get(code, code + ' ').replace(' ', THIN)}{number}"


def money_short(amount_minor: int, currency: str) -> str:
    """As `money`, without decimals when they are zero: `€32`, `€32.50`."""
    unit = 10 ** minor_digits(currency.upper())
    text = money(amount_minor, currency)
    return text.split(".")[0] if amount_minor % unit == 0 else text


def in_zone(moment: datetime, zone: str) -> datetime:
    """The moment on the clock of an IANA zone. ValueError for a naive time."""
    if moment.tzinfo is None:
        raise ValueError("a time on a page must be aware")
    return moment.astimezone(ZoneInfo(zone))


def zone_name(moment: datetime, zone: str) -> str:
    """`EST`, `CEST`, or `UTC+03` where a zone has no letters."""
    name = in_zone(moment, zone).strftime("%Z")
    return f"UTC{name}" if name[:1] in "+-" else name


def clock(moment: datetime, zone: str) -> str:
    """`05:40 EST`: the time on the wall at a place."""
    return f"{in_zone(moment, zone):%H:%M}{THIN}{zone_name(moment, zone)}"


def clock_bare(moment: datetime, zone: str) -> str:
    """`05:40`: for columns whose heading names the zone."""
    return f"{in_zone(moment, zone):%H:%M}"


def day(moment: datetime, zone: str) -> str:
    """`Sat 21 Jan`."""
    local = in_zone(moment, zone)
    return f"{WEEKDAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]}"


def day_year(moment: datetime, zone: str) -> str:
    """`Sat 21 Jan 2017`."""
    return f"{day(moment, zone)} {in_zone(moment, zone).year}"


def stamp(moment: datetime, zone: str) -> str:
    """`Sat 21 Jan, 05:40 EST`."""
    return f"{day(moment, zone)}, {clock(moment, zone)}"


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 25 min`, `2 d 4 h`: the two largest units, truncated."""
    total = int(seconds)
    if total < 0:
        return MINUS + duration(-total)
    if total < MINUTE_S:
        return f"{total}{THIN}s"
    minutes, hours, days = total // MINUTE_S, total // HOUR_S, total // DAY_S
    if hours == 0:
        return f"{minutes}{THIN}min"
    if days == 0:
        return _pair(hours, "h", minutes % 60, "min")
    return _pair(days, "d", hours % 24, "h")


def _pair(large: int, large_unit: str, small: int, small_unit: str) -> str:
    head = f"{large}{THIN}{large_unit}"
    return f"{head} {small}{THIN}{small_unit}" if small else head


def time_left(deadline: datetime, now: datetime) -> str:
    """`2 d 4 h left`, `over` once it has passed."""
    left = deadline - now
    return f"{duration(left.total_seconds())} left" if left > timedelta(0) else "over"


def age(moment: datetime, now: datetime) -> str:
    """`12 s ago`, `just now` within two seconds."""
    seconds = (now - moment).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= JUST_NOW_S else "just now"


def distance(metres: float, unit: str = "km") -> str:
    """`850 m`, `12.4 km`, `214 km`; with `mi`: `0.5 mi`, `133 mi`."""
    if unit == "km" and metres < WHOLE_METRES_BELOW:
        return f"{round(metres, -1):.0f}{THIN}m"
    value = metres / (METRES_PER_MILE if unit == "mi" else 1000)
    return f"{value:,.1f}{THIN}{unit}" if value < ONE_DECIMAL_BELOW else f"{value:,.0f}{THIN}{unit}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """`1 seat`, `7 seats`, `2 people` with `many` given."""
    word = one if count == 1 else many or f"{one}s"
    return f"{count:,}{THIN}{word}"


def percent(rate_bp: int) -> str:
    """Basis points as per cent: `8 %`, `8.5 %`, `0.25 %`."""
    text = f"{rate_bp // 100}.{rate_bp % 100:02d}".rstrip("0").rstrip(".")
    return f"{text}{THIN}%"


def iso(moment: datetime) -> str:
    """The `datetime` attribute of a <time>: UTC, whole seconds, `2017-01-21T10:40:00Z`."""
    return f"{in_zone(moment, 'UTC'):%Y-%m-%dT%H:%M:%S}Z"


FILTERS: dict[str, Callable[..., Any]] = {
    "age": age,
    "clock": clock,
    "clock_bare": clock_bare,
    "day": day,
    "day_year": day_year,
    "distance": distance,
    "duration": duration,
    "iso": iso,
    "money": money,
    "money_short": money_short,
    "percent": percent,
    "plural": plural,
    "stamp": stamp,
    "status_label": status_label,
    "status_tone": status_tone,
    "time_left": time_left,
    "zone_name": zone_name,
}
