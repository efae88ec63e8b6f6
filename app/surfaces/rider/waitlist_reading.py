"""A place in a waiting line as its owner sees it, on the page and in the API."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.core.database import Connection
from app.core.ids import derived_token
from app.domain.pledges import store as pledges
from app.domain.pledges import waitlist_store as waitlist
from app.domain.pledges.model import PledgeState, WaitState
from app.domain.pledges.waitlist_store import Waiting


class WaitingView(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a trip's line. `place` counts from 1 while waiting; `offer_url` takes seats that are held until `offered_until`."""

    id: UUID
    trip_id: UUID
    stop_id: UUID
    state: WaitState
    seats: int
    wheelchairs: int
    people: int
    legs: list[str]
    place: int | None
    people_before: int | None
    offered_until: datetime | None
    offer_url: str | None
    pledge_state: PledgeState | None


async def view_waiting(conn: Connection, entry: Waiting, *, secret: str, base_url: str) -> WaitingView:
    """A place in line as it is now, or what became of it."""
    place, before = await waitlist.find_place(conn, entry.id) if entry.state is WaitState.WAITING else (None, None)
    pledge = await pledges.get_pledge(conn, entry.pledge_id) if entry.pledge_id else None
    held = pledge is not None and pledge.state is PledgeState.PENDING_CARD
    return WaitingView(
        id=entry.id, trip_id=entry.trip_id, stop_id=entry.stop_id, state=entry.state, seats=entry.seats, wheelchairs=entry.wheelchairs,
        people=entry.people, legs=entry.legs, place=place, people_before=before,
        offered_until=pledge.hold_expires_at if pledge is not None and held else None,
        offer_url=f"{base_url}/p/{derived_token(secret, 'manage', pledge.id)}" if pledge is not None and held else None,
        pledge_state=pledge.state if pledge is not None else None,
    )  # fmt: skip
