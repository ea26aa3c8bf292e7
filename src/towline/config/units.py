"""Durations and sizes as people write them: `500ms`, `90s`, `5m`, `2GB`."""

import re
from typing import Annotated

from pydantic import BeforeValidator

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def parse_duration(value: object) -> float:
    """Seconds from `500ms`, `90s`, `5m`, `1h30m` or a plain number of seconds.

    Raises:
        ValueError: When the text is not a duration, or is negative.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        text = str(value).strip().lower()
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            raise ValueError(f"{value!r} is not a duration; write 500ms, 90s, 5m or 1h30m")
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds < 0:
        raise ValueError(f"{value!r} is negative; a duration is zero or more")
    return seconds


def parse_size(value: object) -> int:
    """Bytes from `500MB`, `2GiB` or a plain number of bytes.

    Raises:
        ValueError: When the text is not a size.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(value).strip().lower())
    if match is None or (match[2] or "b") not in _BYTES:
        raise ValueError(f"{value!r} is not a size; write 500MB or 2GiB")
    return int(float(match[1]) * _BYTES[match[2] or "b"])


def format_duration(seconds: float) -> str:
    """A short text for people: `0.4 s`, `12 s`, `3 m 05 s`, `2 h 10 m`, `4 d 3 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def format_size(count: int) -> str:
    """Bytes for people, in powers of ten: `512 B`, `3.1 MB`."""
    left = float(count)
    for unit in ("B", "kB", "MB"):
        if left < 1000:
            return f"{left:.0f} {unit}" if unit == "B" else f"{left:.1f} {unit}"
        left /= 1000
    return f"{left:.1f} GB"


Duration = Annotated[float, BeforeValidator(parse_duration, json_schema_input_type=float | str)]
Size = Annotated[int, BeforeValidator(parse_size, json_schema_input_type=int | str)]
