"""Requests for batches of pledges, made without web and Stripe."""

from typing import Any
from uuid import UUID, uuid4

import msgspec

from app.core.database import Pool, transaction
from app.domain.accounts.store import find_or_add_account
from app.domain.pledges import store as pledges
from app.domain.pledges.model import SavedCard
from app.flows.pledge_wish import PledgeRequest, PledgeWish, request_pledge
from tests.support.threshold import SECRET, Sale


async def rider_with_card(pool: Pool, name: str, *, fingerprint: str | None = None) -> UUID:
    """An account with a saved card."""
    async with transaction(pool) as conn:
        account = await find_or_add_account(conn, f"{name}@example.org")
        card = SavedCard(
            customer_ref=f"cus_{name}", payment_method_ref=f"pm_{name}", card_fingerprint=fingerprint or name, card_label="Visa"
        )
        await pledges.keep_card(conn, account.id, card)
    return account.id


def request_of(
    sale: Sale, name: str, *, account_id: UUID | None = None, saved: bool = False, key: str | None = None, **other: Any
) -> PledgeRequest:
    """A request of somebody; `other` replaces parts of the wish."""
    wish = PledgeWish(
        stop_id=sale.stop_id, name="Ada", email=f"{name}@example.org", phone="", needs="", locale="en", seats=1, wheelchairs=0,
        legs=("outbound", "return"), payment_method="saved" if saved else None,
    )  # fmt: skip
    wish = msgspec.structs.replace(wish, **other)
    return request_pledge(
        wish, key=key or uuid4().hex, body=msgspec.json.encode(wish), secret=SECRET, account_id=account_id, partner_key_id=None
    )


async def saved_requests(pool: Pool, sale: Sale, names: list[str]) -> list[PledgeRequest]:
    """Requests of riders with a card each."""
    return [request_of(sale, name, account_id=await rider_with_card(pool, name), saved=True) for name in names]
