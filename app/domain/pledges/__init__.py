"""Pledges: conditional, card-backed commitments of a party to a trip."""
