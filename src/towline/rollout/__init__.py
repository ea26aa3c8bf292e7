"""Strategies, plan and executor: an environment brought from one release to another."""
