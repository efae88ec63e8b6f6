"""A crowd for the money soak: events in three currencies, trips at the edge of tipping, riders with cards of every temper."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from app.core.clock import busload_now
from app.core.database import Pool, transaction
from app.domain.accounts.store import find_or_add_account
from app.domain.events import store as events
from app.domain.payments.gateway import PaymentGateway
from app.domain.pledges.model import SavedCard
from app.domain.pledges.store import keep_card
from app.flows.open_card_page import open_card_page
from app.flows.place_pledge import PlacedPledge, PledgeWish, place_pledge
from app.flows.plan_event import EventWish, StopWish, TripWish, create_event, create_trip, open_trip
from tests.soak.town import Town
from tests.support.service import event_wish, trip_wish
from tests.support.threshold import WISHES

AT_ONCE = 12
WALLETS_A_CALL = 250
TRIPS_OF = (("USD", 2), ("EUR", 2), ("GBP", 1))
PRICE_MINOR = (1999, 7450)
GOOD = ("4242424242424242", "5555555555554444", "378282246310005")
CARDS = {"declines": "4000000000000341", "poor": "4000000000009995", "asks": "4000002760003184", "asks_once": "4000002500003155"}
TEMPERS = (("declines", 0.01), ("poor", 0.01), ("asks", 0.02), ("asks_once", 0.02))
ASKING = frozenset({"asks", "asks_once"})
UNSAVED = 0.01  # of the crowd never save their card: their hold must end
LASTS = timedelta(days=90)


class Rider(msgspec.Struct, frozen=True, kw_only=True):
    """Who pledges, and how the card behaves (`temper` is a key of CARDS, or `good`)."""

    email: str
    seats: int
    temper: str
    trip: "Trip"


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """A trip that confirms when the whole of its crowd has pledged."""

    id: UUID
    stop_id: UUID
    currency: str


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """A group that pledged; `waiting` holds each trip's last rider, whose pledge tips it. `tempers` are by pledge."""

    trips: list[Trip]
    waiting: list[tuple[Rider, UUID]]
    tempers: dict[UUID, str]


def temper_of(dice: Random) -> str:
    """How a card behaves; mostly well."""
    roll = dice.random()
    for temper, share in TEMPERS:
        if roll < share:
            return temper
        roll -= share
    return "good"


async def gather_crowd(town: Town, name: str, *, charges: int, dice: Random) -> Crowd:
    """Opens trips for so many charges and lets everybody pledge but each trip's last rider."""
    trips = sum(many for _, many in TRIPS_OF)
    parts = [charges // trips + (1 if number < charges % trips else 0) for number in range(trips)]
    currencies = [currency for currency, many in TRIPS_OF for _ in range(many)]
    crowd = Crowd(trips=[], waiting=[], tempers={})
    for number, (currency, size) in enumerate(zip(currencies, parts, strict=True)):
        if size == 0:
            continue
        seats = [dice.choice((1, 1, 1, 2, 2, 3)) for _ in range(size)]
        unsaved = max(1, round(size * UNSAVED))
        trip = await open_one(town.pool, f"{name} {number}", currency, people=sum(seats), more=unsaved, dice=dice)
        riders = [
            Rider(email=f"{name}-{number}-{place}@example.org", seats=many, temper=temper_of(dice), trip=trip)
            for place, many in enumerate(seats)
        ]
        accounts = await give_cards(town, riders, dice)
        placed = await gather_some([pledge(town, rider, account) for rider, account in list(zip(riders, accounts, strict=True))[:-1]])
        await gather_some([dawdle(town, trip, f"{name}-{number}-late-{place}@example.org") for place in range(unsaved)])
        crowd.tempers.update({one.pledge.id: rider.temper for one, rider in zip(placed, riders, strict=False)})
        crowd.waiting.append((riders[-1], accounts[-1]))
        crowd.trips.append(trip)
    return crowd


async def tip(town: Town, crowd: Crowd) -> None:
    """The last riders pledge: every trip confirms and its charges become due."""
    for rider, account in crowd.waiting:
        placed = await pledge(town, rider, account)
        crowd.tempers[placed.pledge.id] = rider.temper


async def gather_some(work: Sequence[Any]) -> list[Any]:
    """All of it, a few at a time: hot trips have locks that nobody shall wait three seconds for."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(step: Any) -> Any:
        async with gate:
            return await step

    return await asyncio.gather(*(one(step) for step in work))


async def open_one(pool: Pool, name: str, currency: str, *, people: int, more: int, dice: Random) -> Trip:
    """An event far away with one trip that needs exactly these people and has room for some more."""
    async with transaction(pool) as conn:
        now = await busload_now(conn)
    event = await create_event(
        pool, msgspec.convert({**WISHES, **event_wish(name=name, currency=currency, **days_of(now))}, EventWish), actor="organiser"
    )
    price = dice.randint(*PRICE_MINOR)
    wish = {
        "tiers": [],
        **trip_wish(minimum=people, cap=people + more, price_both_minor=price, price_one_way_minor=None, deadline_at=now + LASTS),
    }
    stops = [msgspec.convert({"address": "", "max_ride_s": 14400, **stop}, StopWish) for stop in wish.pop("stops")]
    trip = await create_trip(pool, event.id, msgspec.convert({**wish, "stops": stops}, TripWish), actor="organiser")
    await open_trip(pool, trip.id, actor="organiser")
    async with pool.acquire() as conn:
        (stop, *_) = await events.list_stops_of_trip(conn, trip.id)
    return Trip(id=trip.id, stop_id=stop.id, currency=currency)


def days_of(now: datetime) -> dict[str, str]:
    """The event's own days, all after the soak's."""
    arrive = now + LASTS + timedelta(days=30)
    moments = {
        "booking_closes_at": arrive - timedelta(days=10), "capacity_deadline_at": arrive - timedelta(days=5), "arrive_by_at": arrive,
        "starts_at": arrive + timedelta(hours=1), "ends_at": arrive + timedelta(hours=5), "return_departs_at": arrive + timedelta(hours=6),
    }  # fmt: skip
    return {name: moment.isoformat() for name, moment in moments.items()}


async def give_cards(town: Town, riders: Sequence[Rider], dice: Random) -> list[UUID]:
    """Accounts with saved cards, each card another one: one card carries at most 16 people of a trip."""
    wanted = [
        {"card": CARDS.get(rider.temper) or dice.choice(GOOD), "fingerprint_seed": rider.email, "email": rider.email} for rider in riders
    ]
    wallets: list[dict[str, str]] = []
    for start in range(0, len(wanted), WALLETS_A_CALL):
        wallets += (await town.stage("wallets", {"wallets": wanted[start : start + WALLETS_A_CALL]}))["wallets"]

    async def keep(rider: Rider, wallet: dict[str, str]) -> UUID:
        card = SavedCard(
            customer_ref=wallet["customer"], payment_method_ref=wallet["payment_method"], card_fingerprint=wallet["fingerprint"],
            card_label=f"Card {wallet['last4']}",
        )  # fmt: skip
        async with transaction(town.pool) as conn:
            account = await find_or_add_account(conn, rider.email)
            await keep_card(conn, account.id, card)
        return account.id

    return await gather_some([keep(rider, wallet) for rider, wallet in zip(riders, wallets, strict=True)])


async def pledge(town: Town, rider: Rider, account_id: UUID) -> PlacedPledge:
    """One party, with the card of its account."""
    wish = wish_of(rider.trip, rider.email, seats=rider.seats, payment_method="saved")
    return await place_pledge(
        town.pool, rider.trip.id, wish, key=rider.email, body=rider.email.encode(), secret=town.secret, account_id=account_id,
        partner_key_id=None,
    )  # fmt: skip


async def dawdle(town: Town, trip: Trip, email: str) -> None:
    """Somebody opens the card page and never comes back: the hold ends by itself."""
    wish = wish_of(trip, email, seats=1, payment_method=None)
    placed = await place_pledge(
        town.pool, trip.id, wish, key=email, body=email.encode(), secret=town.secret, account_id=None, partner_key_id=None
    )
    gateway: PaymentGateway = town.gateway
    await open_card_page(town.pool, placed.pledge.id, gateway=gateway, base_url="http://127.0.0.1:1", manage_token=placed.manage_token)


def wish_of(trip: Trip, email: str, *, seats: int, payment_method: str | None) -> PledgeWish:
    """A party for there and back."""
    return PledgeWish(
        stop_id=trip.stop_id, name="Ada", email=email, phone="", needs="", locale="en", seats=seats, wheelchairs=0,
        legs=("outbound", "return"), payment_method=payment_method,
    )  # fmt: skip
