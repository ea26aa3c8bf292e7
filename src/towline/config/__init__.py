"""Models, loading, environments and secrets."""
