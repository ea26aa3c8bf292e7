"""Probes, and waiting for them."""
