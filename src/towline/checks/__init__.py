"""Pre-deploy checks: small functions that yield findings."""
