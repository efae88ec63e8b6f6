"""What will be played: the event, its origins with terms that fit the crowd, and who pledges what, all from one seed."""

import math
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec

from app.stage.world.calendar import Times, march_day, times_on
from app.stage.world.crowd import Party, parties_of
from app.stage.world.records import EventRecord, NamesRecord, TripRecord

GOOD_CARD = "4242424242424242"
FAILING_CARDS = ("4000000000000341", "4000000000009995", "4000002760003184")  # declined, no funds, a bank that asks and gets no answer
FAILING_SHARE, RETURN_SHARE, EXPIRING_SHARE = 0.03, 0.7, 0.05
PEOPLE_PER_ORIGIN, MOST_ORIGINS = 60, 8
SIZES = (1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 4, 6)
LONGEST_RIDE_S = 8 * 3600
NEAR = ("Baltimore", "Philadelphia", "New York", "Richmond", "Harrisburg", "Norfolk", "Charlottesville", "Wilmington")
FAR = ("Pittsburgh", "Raleigh")


class Pledger(msgspec.Struct, frozen=True, kw_only=True):
    """A party, the number of its stop, its card, whether it comes back from the card page or leaves it to the webhook, or withdraws."""

    party: Party
    stop: int
    card: str
    returns: bool
    withdraws: bool


class TripScript(msgspec.Struct, frozen=True, kw_only=True):
    """A trip's terms and its crowd; `expires` ones stay below their minimum."""

    record: TripRecord
    minimum: int
    cap: int
    tiers: list[tuple[int, int]]
    expires: bool
    pledgers: list[Pledger]


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that will be tried."""

    event: EventRecord
    times: Times
    trips: list[TripScript]


def write_script(riders: int, seed: int, event: EventRecord, names: NamesRecord, *, now: datetime, weeks_later: int = 0) -> Script:
    """`riders` people over as many origins as they fill, one in twenty of them to trips that will expire; `weeks_later` moves the day."""
    dice = Random(seed)  # noqa: S311  the same seed plays the same crowd
    by_origin = {trip.origin: trip for trip in event.trips}
    expiring = FAR[: 1 if riders < PEOPLE_PER_ORIGIN * 3 else 2]
    few = max(len(expiring) * 3, round(riders * EXPIRING_SHARE))
    running = NEAR[: max(1, min(MOST_ORIGINS, (riders - few) // PEOPLE_PER_ORIGIN))]
    trips = [
        *(script_trip(by_origin[origin], share, names, dice, expires=False) for origin, share in shares(riders - few, running)),
        *(script_trip(by_origin[origin], share, names, dice, expires=True) for origin, share in shares(few, expiring)),
    ]
    day = march_day(now.date()) + timedelta(weeks=weeks_later)
    close = datetime.combine(day, datetime.min.time(), tzinfo=UTC) - timedelta(days=10)
    times = times_on(event, day, booking_closes_at=close, capacity_deadline_at=close + timedelta(days=5))
    return Script(event=event, times=times, trips=trips)


def shares(people: int, origins: tuple[str, ...]) -> list[tuple[str, int]]:
    """People per origin, as even as can be."""
    each, more = divmod(people, len(origins))
    return [(origin, each + (1 if number < more else 0)) for number, origin in enumerate(origins)]


def script_trip(record: TripRecord, people: int, names: NamesRecord, dice: Random, *, expires: bool) -> TripScript:
    """Terms around the crowd: a minimum it reaches well before its last party (or never), a tier on the way, room for everybody."""
    parties = parties_of(people, names, dice, one_way=record.price_one_way_minor is not None and not expires, sizes=SIZES)
    failing = {number for number in range(len(parties)) if dice.random() < FAILING_SHARE}
    if not expires and not failing and record.origin == NEAR[0]:
        failing = {0}
    leaving = {0} if expires else {number for number in range(len(parties)) if dice.random() < FAILING_SHARE} - failing
    pledgers = [
        Pledger(
            party=party,
            stop=dice.randrange(len(record.stops)),
            card=dice.choice(FAILING_CARDS) if number in failing else GOOD_CARD,
            returns=dice.random() < RETURN_SHARE,
            withdraws=number in leaving,
        )
        for number, party in enumerate(parties)
    ]
    dice.shuffle(pledgers)
    return TripScript(
        record=record, minimum=people * 2 if expires else max(1, math.floor(people * 0.6)), cap=people * 3, expires=expires,
        pledgers=pledgers, tiers=[] if expires else [(max(2, math.floor(people * 0.8)), record.price_both_minor * 94 // 100)],
    )  # fmt: skip


def event_body(script: Script) -> dict[str, Any]:
    """The event as the organisers' API takes it."""
    event, times = script.event, script.times
    return {
        "name": event.name, "kind": event.kind, "summary": event.summary, "venue_name": event.venue_name, "address": event.address,
        "lat": event.lat, "lon": event.lon, "zone": event.zone, "currency": event.currency, "contact_phone": event.contact_phone,
        "fee_bp": 500, **{name: moment.isoformat() for name, moment in msgspec.structs.asdict(times).items()},
    }  # fmt: skip


def trip_body(trip: TripScript, event: EventRecord, *, deadline_at: datetime) -> dict[str, Any]:
    """The trip as the organisers' API takes it."""
    record = trip.record
    return {
        "origin": record.origin, "origin_lat": record.lat, "origin_lon": record.lon, "zone": event.zone,
        "price_both_minor": record.price_both_minor, "price_one_way_minor": record.price_one_way_minor, "minimum": trip.minimum,
        "cap": trip.cap, "tiers": trip.tiers, "deadline_at": deadline_at.isoformat(),
        "stops": [
            {"name": stop.name, "address": stop.address, "lat": stop.lat, "lon": stop.lon, "zone": event.zone, "max_ride_s": LONGEST_RIDE_S}
            for stop in record.stops
        ],
    }  # fmt: skip
