"""Takes a service from a commit to healthy production and back."""

__version__ = "0.7.0"
