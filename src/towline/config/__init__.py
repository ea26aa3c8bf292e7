"""Models, loading, variables and secrets."""
