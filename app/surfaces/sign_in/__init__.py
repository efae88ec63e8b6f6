"""Signing in: mail links, sessions, and the demo's doors."""
