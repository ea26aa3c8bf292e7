"""The steps of an operation: a table, and a file for each step that was added to it."""
