"""Stripe's JSON of customers, cards, setup intents and card pages."""

from typing import Any

from app.stage.fake_stripe.model import Card, Customer, Failure, PaymentMethod, Session, SetupIntent


def customer(row: Customer) -> dict[str, Any]:
    if row.deleted:
        return {"id": row.id, "object": "customer", "deleted": True}
    return {
        "id": row.id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": row.created,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": row.description,
        "email": row.email,
        "invoice_prefix": row.id[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": row.metadata,
        "name": row.name,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def card(row: Card) -> dict[str, Any]:
    return {
        "brand": row.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "exp_month": row.exp_month,
        "exp_year": row.exp_year,
        "fingerprint": row.fingerprint,
        "funding": "credit",
        "generated_from": None,
        "last4": row.last4,
        "networks": {"available": [row.brand], "preferred": None},
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def billing_details(row: PaymentMethod | None) -> dict[str, Any]:
    blank = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    email, name = (None, None) if row is None else (row.email, row.name)
    return {"address": blank, "email": email, "name": name, "phone": None}


def payment_method(row: PaymentMethod) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "payment_method",
        "billing_details": billing_details(row),
        "card": card(row.card),
        "created": row.created,
        "customer": row.customer,
        "livemode": False,
        "metadata": row.metadata,
        "type": "card",
    }


def failure(row: Failure | None, method: dict[str, Any] | None) -> dict[str, Any] | None:
    """`last_payment_error` and `last_setup_error`: the card error with the card it was about."""
    if row is None:
        return None
    fields = {
        "type": "card_error",
        "code": row.code,
        "decline_code": row.decline_code,
        "charge": row.charge,
        "doc_url": f"https://stripe.com/docs/error-codes/{row.code.replace('_', '-')}",
        "message": row.message,
        "payment_method": method,
    }
    return {name: value for name, value in fields.items() if value is not None}


def setup_intent(row: SetupIntent, public_url: str, *, failed_method: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "setup_intent",
        "application": None,
        "automatic_payment_methods": None,
        "cancellation_reason": row.cancellation_reason,
        "client_secret": f"{row.id}_secret_{row.id[-12:]}",
        "created": row.created,
        "customer": row.customer,
        "description": row.description,
        "flow_directions": None,
        "last_setup_error": failure(row.last_error, failed_method),
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": row.metadata,
        "next_action": redirect(row.next_action_return_url, f"{public_url}/c/approve/{row.id}"),
        "on_behalf_of": None,
        "payment_method": row.payment_method,
        "payment_method_options": {"card": {"mandate_options": None, "network": None, "request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": row.status,
        "usage": row.usage,
    }


def redirect(return_url: str | None, url: str) -> dict[str, Any] | None:
    if return_url is None:
        return None
    return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}


def session(row: Session, public_url: str) -> dict[str, Any]:
    details = {"email": row.customer_email, "name": None, "phone": None, "tax_exempt": "none", "tax_ids": None}
    return {
        "id": row.id,
        "object": "checkout.session",
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": None,
        "amount_total": None,
        "automatic_tax": {"enabled": False, "status": None},
        "billing_address_collection": None,
        "cancel_url": row.cancel_url,
        "client_reference_id": row.client_reference_id,
        "consent": None,
        "consent_collection": None,
        "created": row.created,
        "currency": row.currency,
        "custom_fields": [],
        "custom_text": {"shipping_address": None, "submit": None, "terms_of_service_acceptance": None},
        "customer": row.customer,
        "customer_creation": None,
        "customer_details": {**details, "address": None} if row.customer_email else None,
        "customer_email": None if row.customer else row.customer_email,
        "expires_at": row.expires_at,
        "invoice": None,
        "invoice_creation": None,
        "livemode": False,
        "locale": row.locale,
        "metadata": row.metadata,
        "mode": "setup",
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "always",
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "no_payment_required",
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "setup_intent": row.setup_intent,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_details": None,
        "shipping_options": [],
        "status": row.status,
        "submit_type": None,
        "subscription": None,
        "success_url": row.success_url,
        "total_details": None,
        "url": f"{public_url}/c/pay/{row.id}" if row.status == "open" else None,
    }
