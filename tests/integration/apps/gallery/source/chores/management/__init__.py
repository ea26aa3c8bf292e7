"""Part of the gallery."""
