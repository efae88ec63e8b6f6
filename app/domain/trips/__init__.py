"""Trips: an event and an origin area with a price, a minimum, a cap and a deadline; the decision to run."""
