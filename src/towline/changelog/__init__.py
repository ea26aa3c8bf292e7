"""The changelog, from the same history that decides the versions."""
