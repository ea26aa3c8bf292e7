"""A toy listener, in one file: it remembers the names of events."""

HEARD = []


def listen():
    HEARD.clear()
    return lambda event: HEARD.append((type(event).__name__, getattr(event, "name", "")))
