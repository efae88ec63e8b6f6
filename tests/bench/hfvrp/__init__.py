"""Public problems with mixed fleets, as busload.problem/1."""
