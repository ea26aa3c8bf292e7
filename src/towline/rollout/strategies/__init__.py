"""Strategies: schedules from a release to the next; a file each, found by its name."""
