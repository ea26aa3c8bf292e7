"""Hosts made ready for deploys: looked at, planned, prepared, and taken back again."""
