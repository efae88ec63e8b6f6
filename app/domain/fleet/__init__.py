"""Operators and what they have: depots, vehicles, rate cards, availability, drivers."""
