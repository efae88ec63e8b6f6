"""The money after a march: the project's own reconciliation, and the ledger's clearing account beside the fake Stripe's balance."""

from typing import Any

import msgspec

from app.domain.payments.stripe_gateway import StripeGateway
from app.flows.reconcile import reconcile
from app.provider import pace_for
from app.settings import read_settings
from tests.bench.march.stack import Field


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """Movements matched one to one, what was found to differ (in words), and by how many minor units the two balances differ."""

    matched: int
    findings: list[str]
    apart_minor: int


async def money_settled(field: Field) -> bool:
    """Whether no charge, refund or transfer is under way."""
    under_way = await field.pool.fetchval(
        """
        SELECT EXISTS (SELECT FROM payments WHERE state IN ('due', 'submitting', 'unknown'))
            OR EXISTS (SELECT FROM refunds WHERE state IN ('due', 'submitting', 'unknown'))
            OR EXISTS (SELECT FROM payouts WHERE state IN ('submitting', 'unknown'))
        """
    )
    return not under_way


async def compare_books(field: Field) -> Books:
    """Once no money moves."""
    settings = read_settings(field.stack.settings)
    gateway = StripeGateway(
        api_key=settings.stripe_api_key, base_url=field.stack.stripe_url, pace=pace_for(field.pool, settings, riders_wait=False)
    )
    try:
        found = await reconcile(field.pool, gateway=gateway)
    finally:
        await gateway.aclose()
    differing = [f"{one.kind}: {one.what}" for one in (*found.findings, *found.in_flight)]
    return Books(matched=found.matched, findings=differing, apart_minor=await balances_apart(field))


async def balances_apart(field: Field) -> int:
    """By how many minor units the ledger's money at Stripe and the fake's own balance differ."""
    ours = await field.pool.fetchval("SELECT coalesce(sum(amount_minor), 0)::bigint FROM ledger_entries WHERE account = 'stripe:clearing'")
    balance: dict[str, Any] = (await field.stripe.get("/_stage/balance")).json()
    theirs = sum(held["available"] + held["pending"] for held in balance["balance"].values())
    return abs(int(ours) - int(theirs))
