"""The threshold engine without web and Stripe: a trip on sale, wishes, and cards that were saved, through the flows themselves."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
import msgspec

from app.core.database import Connection, Pool
from app.core.errors import Conflict
from app.domain.events import store as events
from app.domain.payments.gateway import SetupOutcome
from app.domain.trips import store as trips
from app.domain.trips.model import Trip
from app.domain.trips.store import TripLock
from app.flows.place_pledge import place_pledge
from app.flows.plan_event import EventWish, StopWish, TripWish, create_event, create_trip, open_trip
from app.flows.pledge_wish import PlacedPledge, PledgeWish
from tests.support.service import event_wish, trip_wish

T = TypeVar("T")
SECRET = "a secret of thirty-two characters and more"
WISHES = {"summary": "", "fee_bp": 1000, "partner_share_bp": 0, "max_stops": 6, "rider_minute_minor": 0, "partner_id": None}


class Sale(msgspec.Struct, frozen=True, kw_only=True):
    """A trip on sale and its first stop."""

    trip_id: UUID
    event_id: UUID
    stop_id: UUID


async def on_sale(pool: Pool, *, opened: bool = True, **terms: Any) -> Sale:
    """A new event with one trip; `terms` are the trip's, as the API takes them."""
    event = await create_event(pool, msgspec.convert({**WISHES, **event_wish()}, EventWish), actor="organiser")
    wish = {"tiers": [], **trip_wish(**terms)}
    stops = [msgspec.convert({"address": "", "max_ride_s": 14400, **stop}, StopWish) for stop in wish.pop("stops")]
    trip = await create_trip(pool, event.id, msgspec.convert({**wish, "stops": stops}, TripWish), actor="organiser")
    if opened:
        await open_trip(pool, trip.id, actor="organiser")
    async with pool.acquire() as conn:
        (stop, *_) = await events.list_stops_of_trip(conn, trip.id)
    return Sale(trip_id=trip.id, event_id=event.id, stop_id=stop.id)


async def place(
    pool: Pool, sale: Sale, *, seats: int = 1, key: str | None = None, account_id: UUID | None = None, lock_trip: TripLock = trips.lock_trip
) -> PlacedPledge:
    """A pledge of somebody new; with an account it uses that account's saved card."""
    key = key or uuid4().hex
    wish = PledgeWish(
        stop_id=sale.stop_id, name="Ada", email=f"{key}@example.org", phone="", needs="", locale="en", seats=seats, wheelchairs=0,
        legs=("outbound", "return"), payment_method="saved" if account_id else None,
    )  # fmt: skip
    return await place_pledge(
        pool, sale.trip_id, wish, key=key, body=key.encode(), secret=SECRET, account_id=account_id, partner_key_id=None, lock_trip=lock_trip
    )


def saved_card(pledge_id: UUID) -> SetupOutcome:
    """A card page that ended well, with a card of its own."""
    return SetupOutcome(
        status="complete", setup_status="succeeded", customer_ref=f"cus_{pledge_id}", payment_method_ref=f"pm_{pledge_id}",
        fingerprint=str(pledge_id), brand="visa", last4="4242", exp_month=1, exp_year=2040, reference=str(pledge_id),
    )  # fmt: skip


async def read(pool: Pool, sale: Sale) -> Trip:
    """The trip as it is now."""
    async with pool.acquire() as conn:
        trip = await trips.get_trip(conn, sale.trip_id)
    assert trip is not None
    return trip


async def insisting(ask: Callable[[], Awaitable[T]], *, times: int = 40) -> T:
    """As a client does that is told to come again because too much is going on."""
    for _ in range(times):
        try:
            return await ask()
        except asyncpg.LockNotAvailableError:
            continue
        except Conflict as refused:
            if refused.code != "idempotency_key_in_flight":
                raise
    raise AssertionError("never served")


async def no_lock(conn: Connection, trip_id: UUID) -> Trip | None:
    """The lock switched off: a plain read."""
    return await trips.get_trip(conn, trip_id)


def after(lock: TripLock, act: Callable[[], Awaitable[object]]) -> TripLock:
    """A lock after whose reading something else happens before the flow goes on."""

    async def locked(conn: Connection, trip_id: UUID) -> Trip | None:
        trip = await lock(conn, trip_id)
        await act()
        return trip

    return locked


def deadline(days_ahead: float = 100) -> str:
    """A deadline so far from now."""
    return (datetime.now(tz=UTC) + timedelta(days=days_ahead)).isoformat()
