"""Paying operators and partners: accounts, hires, transfers, what was taken back, debts, an event's book."""
