"""Faults on purpose: a proxy before the database, a disk that fills, processes that die, a clock that jumps."""
