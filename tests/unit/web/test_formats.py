"""How money, times, durations and counts read on a page."""

from datetime import UTC, datetime, timedelta

import pytest
from jinja2 import Environment

from app.web import formats

MARCH = datetime(2017, 1, 21, 10, 40, tzinfo=UTC)
NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (3200, "EUR", "€32.00"),
        (4800, "usd", "$48.00"),
        (104850, "USD", "$1,048.50"),
        (5, "GBP", "£0.05"),
        (-500, "EUR", "\N{MINUS SIGN}€5.00"),
        (1500, "JPY", "¥1,500"),
        (3200, "CHF", f"CHF{NBSP}32.00"),
        (100, "XAF", f"XAF{NBSP}100"),
        (0, "EUR", "€0.00"),
    ],
)
def test_money_reads_as_people_write_it(amount_minor: int, currency: str, text: str) -> None:
    assert formats.money(amount_minor, currency) == text


def test_a_signed_amount_marks_gains_but_not_zero() -> None:
    assert formats.money(500, "EUR", signed=True) == "+€5.00"
    assert formats.money(0, "EUR", signed=True) == "€0.00"


def test_short_money_drops_only_zero_decimals() -> None:
    assert formats.money_short(3200, "EUR") == "€32"
    assert formats.money_short(3250, "EUR") == "€32.50"
    assert formats.money_short(1500, "JPY") == "¥1,500"


def test_a_time_is_shown_on_the_clock_of_its_place() -> None:
    assert formats.stamp(MARCH, "America/New_York") == f"Sat 21 Jan, 05:40{NBSP}EST"
    assert formats.stamp(MARCH, "Europe/Berlin") == f"Sat 21 Jan, 11:40{NBSP}CET"
    assert formats.clock_bare(MARCH, "America/New_York") == "05:40"


def test_the_day_is_the_day_of_the_place() -> None:
    late = datetime(2017, 1, 21, 3, 0, tzinfo=UTC)
    assert formats.day(late, "America/New_York") == "Fri 20 Jan"
    assert formats.day_year(late, "Asia/Tokyo") == "Sat 21 Jan 2017"


def test_summer_time_has_its_own_name() -> None:
    assert formats.zone_name(datetime(2017, 7, 1, tzinfo=UTC), "America/New_York") == "EDT"


def test_a_zone_without_letters_is_named_by_its_offset() -> None:
    assert formats.zone_name(MARCH, "Europe/Istanbul") == "UTC+03"


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        formats.stamp(datetime(2017, 1, 21), "Europe/Berlin")  # noqa: DTZ001 naive is what is refused


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (45, "45 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (12300, "3 h 25 min"),
        (187200, "2 d 4 h"),
        (-720, "\N{MINUS SIGN}12 min"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: int, text: str) -> None:
    assert formats.duration(seconds).replace(NBSP, " ") == text


def test_time_left_ends_at_the_deadline() -> None:
    assert formats.time_left(MARCH, MARCH - timedelta(hours=52)) == f"2{NBSP}d 4{NBSP}h left"
    assert formats.time_left(MARCH, MARCH) == "over"


def test_age_says_just_now_for_the_last_two_seconds() -> None:
    assert formats.age(MARCH, MARCH + timedelta(seconds=1)) == "just now"
    assert formats.age(MARCH, MARCH + timedelta(seconds=12)) == f"12{NBSP}s ago"


@pytest.mark.parametrize(
    ("metres", "unit", "text"),
    [(847, "km", "850 m"), (12_430, "km", "12.4 km"), (214_400, "km", "214 km"), (800, "mi", "0.5 mi"), (214_400, "mi", "133 mi")],
)
def test_a_distance_is_as_precise_as_it_is_useful(metres: float, unit: str, text: str) -> None:
    assert formats.distance(metres, unit).replace(NBSP, " ") == text


def test_counts_agree_with_their_noun() -> None:
    assert formats.plural(1, "seat") == f"1{NBSP}seat"
    assert formats.plural(0, "seat") == f"0{NBSP}seats"
    assert formats.plural(2, "person", "people") == f"2{NBSP}people"


@pytest.mark.parametrize(("rate_bp", "text"), [(800, "8 %"), (850, "8.5 %"), (25, "0.25 %"), (0, "0 %"), (10_000, "100 %")])
def test_basis_points_read_as_per_cent(rate_bp: int, text: str) -> None:
    assert formats.percent(rate_bp).replace(NBSP, " ") == text


def test_iso_is_utc_whole_seconds() -> None:
    assert formats.iso(MARCH.replace(microsecond=999)) == "2017-01-21T10:40:00Z"


def test_every_filter_is_there_under_its_name() -> None:
    environment = Environment(autoescape=True)
    environment.filters.update(formats.FILTERS)
    assert environment.from_string("{{ 3200 | money('EUR') }} {{ 'open' | status_tone('trip') }}").render() == "€32.00 wait"
