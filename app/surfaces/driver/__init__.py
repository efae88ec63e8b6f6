"""Drivers: one duty behind one link, with or without signal."""
