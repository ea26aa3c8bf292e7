"""News items on PostgreSQL, counted and cached in Redis: the sample that Towline deploys."""

__version__ = "1.3.0"
