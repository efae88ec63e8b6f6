"""A rider pledges seats: held for 15 minutes until the card is saved, or counted at once with a card saved before."""

from uuid import UUID

from app.core.database import Pool
from app.domain.trips import store as trips
from app.domain.trips.store import TripLock
from app.flows.pledge_batch import place_batch
from app.flows.pledge_wish import PlacedPledge, PledgeWish, request_pledge

__all__ = ["PlacedPledge", "PledgeWish", "place_pledge"]


async def place_pledge(
    pool: Pool, trip_id: UUID, wish: PledgeWish, *, key: str, body: bytes, secret: str, account_id: UUID | None,
    partner_key_id: UUID | None, lock_trip: TripLock = trips.lock_trip,
) -> PlacedPledge:  # fmt: skip
    """Places one pledge: a batch of one. Refusals carry their own codes and leave nothing behind.

    Web processes go through `app.flows.pledge_queue`, which puts what comes at once into one batch.
    """
    request = request_pledge(wish, key=key, body=body, secret=secret, account_id=account_id, partner_key_id=partner_key_id)
    (answer,) = await place_batch(pool, trip_id, [request], secret=secret, lock_trip=lock_trip)
    if isinstance(answer, Exception):
        raise answer
    return answer
