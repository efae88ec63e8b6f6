"""Event partners: their keys, their webhooks."""
