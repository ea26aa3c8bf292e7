"""How long a container has been running, as its engine says it."""

import re

_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0}
_WORDS = {"a": 1, "an": 1}


def parse_uptime(status: str) -> float | None:
    """Seconds at least, from `Up 5 seconds`, `Up About a minute (healthy)`; None without one.

    By the engine's own clock, and since the last start: when a container was created says neither.
    Source: `HumanDuration` of docker/go-units.
    """
    if status.startswith("Up Less than a second"):
        return 0.0
    found = re.match(r"Up (?:About )?(\d+|an?) (\w+?)s?\b", status)
    if found is None:
        return None
    count = _WORDS.get(found[1]) or int(found[1])
    # Months and years are over any limit.
    return count * _UNITS.get(found[2], 2_592_000.0)
