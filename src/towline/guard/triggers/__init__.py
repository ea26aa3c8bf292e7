"""Triggers: what the guard looks for, a file each; a module has its `TRIGGER`."""
