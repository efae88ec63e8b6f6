"""Riders: parties with names who pledge and save a card on the fake's card page, a few at a time."""

import asyncio
from collections.abc import Sequence
from random import Random
from uuid import UUID

import msgspec

from app.core.database import transaction
from app.core.ids import new_id
from app.domain.events import store as events
from app.domain.events.model import StopState
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge
from app.domain.trips.model import Trip
from app.flows.card_saved import look_at_card_page
from app.flows.open_card_page import open_card_page
from app.flows.place_pledge import place_pledge
from app.flows.pledge_wish import PledgeWish
from app.stage.world.hands import Hands
from app.stage.world.records import NamesRecord

AT_ONCE = 6
GOOD_CARD = "4242424242424242"
WHEELCHAIR_SHARE, ONE_WAY_SHARE, NEEDS_SHARE = 1 / 12, 1 / 10, 1 / 16
PARTY_SIZES = (1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8)
NEEDS = ("Travels with a cane; a seat near the door, please.", "Hard of hearing: please wave when we leave.", "Guide dog.")


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """People who pledge together."""

    name: str
    email: str
    seats: int
    wheelchairs: int
    legs: tuple[str, ...]
    needs: str


def parties_of(people: int, names: NamesRecord, dice: Random, *, one_way: bool, sizes: Sequence[int] = PARTY_SIZES) -> list[Party]:
    """Parties of exactly `people` people; about one in twelve brings a wheelchair, one in ten goes one way where that is sold."""
    parties: list[Party] = []
    left = people
    while left > 0:
        size = min(left, dice.choice(sizes))
        left -= size
        wheelchairs = 1 if dice.random() < WHEELCHAIR_SHARE else 0
        first, last = dice.choice(names.first), dice.choice(names.last)
        legs: tuple[str, ...] = ("outbound", "return")
        if one_way and dice.random() < ONE_WAY_SHARE:
            legs = (dice.choice(legs),)
        plain = f"{first}.{last}".lower().replace("'", "").encode("ascii", "ignore").decode()
        parties.append(
            Party(
                name=f"{first} {last}",
                email=f"{plain}.{new_id().hex[-6:]}@rider.example",
                seats=size - wheelchairs,
                wheelchairs=wheelchairs,
                legs=legs,
                needs=dice.choice(NEEDS) if wheelchairs == 0 and dice.random() < NEEDS_SHARE else "",
            )
        )
    return parties


async def pledge_all(hands: Hands, trip: Trip, parties: Sequence[Party], *, card: str = GOOD_CARD) -> list[Pledge]:
    """Everyone pledges and saves a card; a few at a time, as people do. Returns their pledges."""
    gate = asyncio.Semaphore(AT_ONCE)
    async with hands.pool.acquire() as conn:
        stops = [stop.id for stop in await events.list_stops_of_trip(conn, trip.id) if stop.state is StopState.APPROVED]

    async def one(party: Party, stop_id: UUID) -> Pledge:
        async with gate:
            return await pledge_one(hands, trip, party, stop_id, card=card)

    chosen = [hands.dice.choice(stops) for _ in parties]
    return list(await asyncio.gather(*(one(party, stop_id) for party, stop_id in zip(parties, chosen, strict=True))))


async def pledge_one(hands: Hands, trip: Trip, party: Party, stop_id: UUID, *, card: str) -> Pledge:
    """One party from tap to saved card, as the rider's own pages do it."""
    wish = PledgeWish(
        stop_id=stop_id, name=party.name, email=party.email, phone="", needs=party.needs, locale="en", seats=party.seats,
        wheelchairs=party.wheelchairs, legs=party.legs, payment_method=None,
    )  # fmt: skip
    placed = await place_pledge(
        hands.pool,
        trip.id,
        wish,
        key=new_id().hex,
        body=msgspec.json.encode(wish),
        secret=hands.secret,
        account_id=None,
        partner_key_id=None,
    )
    pledge_id = placed.pledge.id
    await open_card_page(hands.pool, pledge_id, gateway=hands.gateway, base_url=hands.base_url, manage_token=placed.manage_token)
    async with transaction(hands.pool) as conn:
        waiting = await pledges.get_pledge(conn, pledge_id)
    assert waiting is not None
    answer = await hands.stripe.post(
        f"/_stage/sessions/{waiting.setup_session_ref}/complete", json={"card": card, "fingerprint_seed": party.email}
    )
    answer.raise_for_status()
    saved = await look_at_card_page(hands.pool, pledge_id, gateway=hands.gateway)
    assert saved is not None
    return saved
