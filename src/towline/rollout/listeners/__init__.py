"""Listeners: what is told of an operation as it goes; a file each, found by its name."""
