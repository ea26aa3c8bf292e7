"""Sources of figures; a file each, found by its name."""
