"""Stripe's JSON of payments, charges, refunds, disputes and balance movements."""

from typing import Any

from app.stage.fake_stripe.model import BalanceTransaction, Charge, Dispute, PaymentIntent, PaymentMethod, Refund
from app.stage.fake_stripe.render_cards import billing_details, card, failure, redirect

REPORTING = {
    "charge": "charge",
    "refund": "refund",
    "refund_failure": "refund_failure",
    "adjustment": "dispute",
    "transfer": "transfer",
    "transfer_refund": "transfer_reversal",
    "payment": "charge",
    "payment_refund": "refund",
    "topup": "topup",
}
EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


def payment_intent(row: PaymentIntent, public_url: str, *, failed_method: dict[str, Any] | None) -> dict[str, Any]:
    card_options = {
        "installments": None,
        "mandate_options": None,
        "network": None,
        "request_three_d_secure": "automatic",
    }
    return {
        "id": row.id,
        "object": "payment_intent",
        "amount": row.amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": row.amount_received,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": row.canceled_at,
        "cancellation_reason": row.cancellation_reason,
        "capture_method": row.capture_method,
        "client_secret": f"{row.id}_secret_{row.id[-12:]}",
        "confirmation_method": "automatic",
        "created": row.created,
        "currency": row.currency,
        "customer": row.customer,
        "description": row.description,
        "last_payment_error": failure(row.last_error, failed_method),
        "latest_charge": row.latest_charge,
        "livemode": False,
        "metadata": row.metadata,
        "next_action": redirect(row.next_action_return_url, f"{public_url}/c/approve/{row.id}"),
        "on_behalf_of": None,
        "payment_method": row.payment_method,
        "payment_method_options": {"card": card_options},
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": row.receipt_email,
        "review": None,
        "setup_future_usage": row.setup_future_usage,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": row.statement_descriptor_suffix,
        "status": row.status,
        "transfer_data": None,
        "transfer_group": row.transfer_group,
    }


def charge(row: Charge, public_url: str, *, method: PaymentMethod | None) -> dict[str, Any]:
    paid = row.status == "succeeded"
    return {
        "id": row.id,
        "object": "charge",
        "amount": row.amount,
        "amount_captured": row.amount if paid else 0,
        "amount_refunded": row.amount_refunded,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": row.balance_transaction,
        "billing_details": billing_details(method),
        "calculated_statement_descriptor": "BUSLOAD",
        "captured": paid,
        "created": row.created,
        "currency": row.currency,
        "customer": row.customer,
        "description": row.description,
        "disputed": row.dispute is not None,
        "failure_balance_transaction": None,
        "failure_code": row.failure.code if row.failure else None,
        "failure_message": row.failure.message if row.failure else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": row.metadata,
        "on_behalf_of": None,
        "outcome": outcome(row),
        "paid": paid,
        "payment_intent": row.payment_intent,
        "payment_method": row.payment_method,
        "payment_method_details": charge_card(method),
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": f"{public_url}/c/receipt/{row.id}" if paid else None,
        "refunded": paid and row.amount_refunded == row.amount,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": row.status,
        "transfer_data": None,
        "transfer_group": row.transfer_group,
    }


def outcome(row: Charge) -> dict[str, Any]:
    declined = row.failure
    return {
        "network_status": "declined_by_network" if declined else "approved_by_network",
        "reason": (declined.decline_code or declined.code) if declined else None,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": declined.message if declined else "Payment complete.",
        "type": "issuer_declined" if declined else "authorized",
    }


def charge_card(method: PaymentMethod | None) -> dict[str, Any] | None:
    if method is None:
        return None
    shown = card(method.card)
    kept = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")
    details = {name: shown[name] for name in kept}
    details |= {"installments": None, "mandate": None, "network": method.card.brand, "three_d_secure": None}
    return {"type": "card", "card": details}


def refund(row: Refund) -> dict[str, Any]:
    fields = {
        "id": row.id,
        "object": "refund",
        "amount": row.amount,
        "balance_transaction": row.balance_transaction,
        "charge": row.charge,
        "created": row.created,
        "currency": row.currency,
        "metadata": row.metadata,
        "payment_intent": row.payment_intent,
        "reason": row.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": row.status,
        "transfer_reversal": None,
    }
    if row.failure_reason is not None:
        fields |= {
            "failure_reason": row.failure_reason,
            "failure_balance_transaction": row.failure_balance_transaction,
        }
    return fields


def dispute(row: Dispute, *, movements: list[dict[str, Any]], now: int) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "dispute",
        "amount": row.amount,
        "balance_transactions": movements,
        "charge": row.charge,
        "created": row.created,
        "currency": row.currency,
        "evidence": {name: row.evidence.get(name) for name in EVIDENCE},
        "evidence_details": {
            "due_by": row.due_by,
            "has_evidence": bool(row.evidence),
            "past_due": now > row.due_by,
            "submission_count": row.submission_count,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": row.metadata,
        "payment_intent": row.payment_intent,
        "reason": row.reason,
        "status": row.status,
    }


def balance_transaction(row: BalanceTransaction, *, now: int) -> dict[str, Any]:
    fee = {
        "amount": row.fee,
        "application": None,
        "currency": row.currency,
        "description": "Stripe processing fees",
        "type": "stripe_fee",
    }
    return {
        "id": row.id,
        "object": "balance_transaction",
        "amount": row.amount,
        "available_on": row.available_on,
        "created": row.created,
        "currency": row.currency,
        "description": row.description,
        "exchange_rate": None,
        "fee": row.fee,
        "fee_details": [fee] if row.fee else [],
        "net": row.amount - row.fee,
        "reporting_category": REPORTING[row.type],
        "source": row.source,
        "status": "available" if row.available_on <= now else "pending",
        "type": row.type,
    }
