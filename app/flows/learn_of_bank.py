"""Money between our balance at Stripe and our own bank, either way, and what Stripe bills us: only the balance transactions tell of it."""

from collections.abc import Sequence
from uuid import NAMESPACE_URL, uuid5

from app.core.database import Pool, transaction
from app.domain.payments import ledger
from app.domain.payments.gateway import BalanceTransaction

HOUSE = "house"
WITH_BANK = frozenset(
    {
        "payout",
        "payout_cancel",
        "payout_failure",
        "payout_minimum_balance_hold",
        "payout_minimum_balance_release",
        "topup",
        "topup_reversal",
    }
)
BILLED = frozenset({"stripe_fee", "stripe_fx_fee", "tax_fee"})


async def learn_of_bank_movements(pool: Pool, listed: Sequence[BalanceTransaction]) -> int:
    """Posts each of them once, in the house's own book, as `bank_<type>`; returns how many were new."""
    new = 0
    for movement in listed:
        other = ledger.BANK if movement.type in WITH_BANK else ledger.STRIPE_FEES if movement.type in BILLED else None
        if other is not None and await post_once(pool, movement, other):
            new += 1
    return new


async def post_once(pool: Pool, movement: BalanceTransaction, other: str) -> bool:
    """One movement against the other account; its own fee, if it has one, beside it. False when it was posted before."""
    kind = f"bank_{movement.type}" if other == ledger.BANK else "billed"
    cause = uuid5(NAMESPACE_URL, f"stripe:{movement.ref}")
    ref = movement.source_ref or movement.ref
    async with transaction(pool) as conn:
        await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 14))", movement.ref)
        if await ledger.is_posted(conn, kind=kind, cause=cause):
            return False
        await ledger.post(
            conn, kind=kind, cause=cause, book=HOUSE, currency=movement.currency, external_ref=ref,
            entries=[(other, -movement.amount_minor), (ledger.CLEARING, movement.amount_minor)],
        )  # fmt: skip
        if movement.fee_minor:
            await ledger.post(
                conn, kind=f"{kind}_fee", cause=cause, book=HOUSE, currency=movement.currency, external_ref=ref,
                entries=[(ledger.STRIPE_FEES, movement.fee_minor), (ledger.CLEARING, -movement.fee_minor)],
            )  # fmt: skip
    return True
