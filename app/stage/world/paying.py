"""Operators (and the partner) tell Stripe where their money goes, before their first bus is home."""

from uuid import UUID

from app.core.database import transaction
from app.domain.dispatch.model import Duty
from app.domain.payments.payouts import store
from app.flows.onboard_payee import open_onboarding, refresh_payee
from app.stage.world.hands import Hands

PARTNER_COUNTRY = "US"


async def open_accounts(hands: Hands, duties: list[Duty], *, partner_id: UUID | None = None) -> None:
    """The duties' operators, and the partner if given, open their accounts; Stripe knows all it wants to know."""
    payees = {duty.operator_id: None for duty in duties} | ({partner_id: PARTNER_COUNTRY} if partner_id is not None else {})
    for payee_id, country in payees.items():
        await open_onboarding(
            hands.pool,
            payee_id,
            country=country,
            gateway=hands.gateway,
            return_url=hands.base_url,
            refresh_url=hands.base_url,
            actor="demo",
        )
        async with transaction(hands.pool) as conn:
            payee = await store.get_payee(conn, payee_id)
        assert payee is not None, "its account was opened just now"
        (await hands.stripe.post(f"/_stage/accounts/{payee.account_ref}/enable", json={})).raise_for_status()
        await refresh_payee(hands.pool, payee_id, gateway=hands.gateway, actor="demo")
