"""Status and history."""
