"""Slices that own their rows. A slice never imports another's store, service or jobs; what touches two is a flow."""
