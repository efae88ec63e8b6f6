"""Stripe's JSON of connected accounts and the money moved to them."""

from typing import Any

from app.stage.fake_stripe.model import Account, Reversal, Transfer


def account(row: Account) -> dict[str, Any]:
    due = [] if row.enabled else ["external_account", "tos_acceptance.date", "tos_acceptance.ip"]
    requirements = {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": due,
        "disabled_reason": None if row.enabled else "requirements.past_due",
        "errors": [],
        "eventually_due": due,
        "past_due": due,
        "pending_verification": [],
    }
    return {
        "id": row.id,
        "object": "account",
        "business_type": row.business_type,
        "capabilities": dict.fromkeys(row.capabilities, "active" if row.enabled else "inactive"),
        "charges_enabled": row.enabled,
        "country": row.country,
        "created": row.created,
        "default_currency": row.default_currency,
        "details_submitted": row.enabled,
        "email": row.email,
        "metadata": row.metadata,
        "payouts_enabled": row.enabled,
        "requirements": requirements,
        "type": row.type,
    }


def transfer(row: Transfer, *, reversals: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "transfer",
        "amount": row.amount,
        "amount_reversed": row.amount_reversed,
        "balance_transaction": row.balance_transaction,
        "created": row.created,
        "currency": row.currency,
        "description": row.description,
        "destination": row.destination,
        "destination_payment": row.destination_payment,
        "livemode": False,
        "metadata": row.metadata,
        "reversals": {
            "object": "list",
            "data": reversals,
            "has_more": False,
            "url": f"/v1/transfers/{row.id}/reversals",
        },
        "reversed": row.amount_reversed == row.amount,
        "source_transaction": row.source_transaction,
        "source_type": "card",
        "transfer_group": row.transfer_group,
    }


def reversal(row: Reversal) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "transfer_reversal",
        "amount": row.amount,
        "balance_transaction": row.balance_transaction,
        "created": row.created,
        "currency": row.currency,
        "destination_payment_refund": None,
        "metadata": row.metadata,
        "source_refund": None,
        "transfer": row.transfer,
    }
