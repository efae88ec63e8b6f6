"""Riders: events and trips, pledging, one's own pledge, passes, tracking."""
