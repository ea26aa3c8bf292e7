"""Hosts made ready for deploys: examined, planned, prepared, and deprovisioned."""
