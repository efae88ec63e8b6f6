"""What the books, the trail and the banks say, in an organiser's words. What is not listed shows as it is, spelt with spaces."""

ACCOUNTS = {
    "stripe:clearing": "Held at Stripe",
    "riders:fares": "Riders' fares",
    "house:stripe_fees": "Stripe's fees",
    "house:subsidy": "Paid by the house",
    "house:disputes": "Lost disputes and their fees",
    "house:fees": "Our fee",
    "house:margin": "Left over for the house",
    "house:penalties": "Pull-out fees",
    "house:bank": "At our own bank",
    "stripe:disputed": "Withdrawn by banks",
    "operators:payable": "Owed to operators",
    "operators:receivable": "Owed by operators",
    "partners:payable": "Owed to the partner",
}
MOVEMENTS = {
    "charge": "Charge",
    "charge_fee": "Stripe's fee",
    "refund": "Refund",
    "refund_failed": "Refund that came back",
    "refund_elsewhere": "Refund settled another way",
    "dispute": "Disputed: withdrawn by the bank",
    "dispute_fee": "Fee of a dispute",
    "dispute_fee_back": "Fee of a dispute, given back",
    "dispute_won": "Dispute won: back at Stripe",
    "dispute_lost": "Dispute lost",
    "subsidy": "Subsidy",
    "payout": "Payout",
    "payout_reversal": "Payout taken back",
    "hire": "Hire owed",
    "hire_correction": "Hire taken back",
    "earnings": "Our fee and the partner's share",
    "earnings_adjusted": "Fee and share reckoned anew",
    "margin": "Rest of a closed book",
    "debt": "Owed by an operator",
    "netting": "Debt taken off a payout",
    "billed": "Billed by Stripe",
    "bank_payout": "Paid to our bank",
    "bank_topup": "Brought from our bank",
}
ACTORS = {
    "rider": "Rider",
    "timer": "A deadline",
    "worker": "The service",
    "organiser": "Organiser",
    "operator": "Operator",
    "stripe": "Stripe",
}
REFUSALS = {
    "approve_with_id": "The bank could not be asked",
    "authentication_required": "The bank wants the rider's approval",
    "card_velocity_exceeded": "Over the card's limit",
    "do_not_honor": "The bank said no",
    "expired_card": "The card has expired",
    "generic_decline": "The bank said no",
    "incorrect_cvc": "Wrong security code",
    "insufficient_funds": "Not enough money on the card",
    "lost_card": "The card is reported lost",
    "processing_error": "The bank's fault",
    "stolen_card": "The card is reported stolen",
}


def spelt(word: str) -> str:
    """`card_declined` as `Card declined`."""
    text = word.replace("_", " ").replace(":", ": ").strip()
    return text[:1].upper() + text[1:]


def account_word(account: str) -> str:
    """What a ledger account holds."""
    return ACCOUNTS.get(account) or spelt(account)


def movement_word(kind: str) -> str:
    """What moved money."""
    return MOVEMENTS.get(kind) or spelt(kind)


def actor_word(actor: str) -> str:
    """Who did it: the role; ids of people stay in the database."""
    role = actor.split(":", 1)[0]
    return ACTORS.get(role) or spelt(role)


def refusal_word(decline_code: str, error_code: str) -> str:
    """Why a card was not charged, the bank's reason before Stripe's."""
    code = decline_code or error_code
    return REFUSALS.get(code) or spelt(code)
