"""The guard: it stays after a deploy, and rolls back by itself when a trigger fires."""
