"""Busload: seats on buses that do not exist yet."""
