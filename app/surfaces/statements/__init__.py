"""Statements of what operators and partners are paid: read, shown, as CSV and on paper; for their portals and for organisers."""
