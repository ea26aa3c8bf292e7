"""Strategies, plan, executor, journal and lock."""
