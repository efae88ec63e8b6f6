"""Organisers: events, trips, stops, dispatch, money, the audit trail."""
