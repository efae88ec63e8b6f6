"""Money of our own brought to Stripe (a subsidy is nobody's fare): nobody tells us but the list of balance transactions."""

from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5

from app.core.database import Pool, transaction
from app.domain.payments import ledger
from app.domain.payments.gateway import BalanceTransaction

TOP_UP, HOUSE = "topup", "house"


async def learn_of_top_ups(pool: Pool, listed: Sequence[BalanceTransaction]) -> int:
    """Posts each top-up among these movements once, in the house's own book; returns how many were new. A fee of it is none of ours."""
    new = 0
    for movement in listed:
        if movement.type != TOP_UP:
            continue
        ref = movement.source_ref or movement.ref
        cause = uuid5(NAMESPACE_URL, f"stripe:{ref}")
        async with transaction(pool) as conn:
            if await ledger.is_posted(conn, kind=TOP_UP, cause=cause):
                continue
            await ledger.post(
                conn, kind=TOP_UP, cause=cause, book=HOUSE, currency=movement.currency, external_ref=ref,
                entries=[(ledger.CLEARING, movement.amount_minor), (ledger.FUNDING, -movement.amount_minor)],
            )  # fmt: skip
            new += 1
    return new
