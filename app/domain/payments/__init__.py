"""Charges, refunds, payouts, the ledger and the Stripe inbox."""
