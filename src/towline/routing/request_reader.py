"""Read the router's request log over its own port, from where the last reading ended.

The log is rotated by whoever reads it, so a reader may find another file than it read before: it
knows a file by its first line, and reads the rest of the part before first.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass

_FIRST = 400
# Bytes of one answer that are held at once.
_LARGEST = 20 * 2**20
_PATH, _ROTATED = "/requests", "/requests.1"


@dataclass(frozen=True, slots=True)
class LogPosition:
    """Where a reading ended.

    Attributes:
        head: How the file begins; empty when it had no line.
        offset: Bytes of it that were read.
    """

    head: bytes = b""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class LogPart:
    """What was logged since a position.

    Attributes:
        lines: Whole lines, without their ends.
        position: Where to go on.
        size: Bytes that the file has now.
        is_missing_some: Requests were logged that nobody can read any more: the log was begun
            anew more than once since the last reading, or was full.
    """

    lines: tuple[bytes, ...]
    position: LogPosition
    size: int = 0
    is_missing_some: bool = False


class NoRequestLog(Exception):
    """The router keeps none."""


def read_log(
    address: tuple[str, int], after: LogPosition | None, *, full_at: int, timeout: float = 5.0
) -> LogPart:
    """What a router logged after a position.

    Args:
        address: Its own port.
        after: Where the last reading ended; None reads what is there of now on, and no line.
        full_at: Bytes at which the log is full.
        timeout: Seconds.

    Raises:
        NoRequestLog: When it keeps no log.
        OSError: When it does not answer.
    """
    connection = http.client.HTTPConnection(*address, timeout=timeout)
    try:
        return _read(connection, after, full_at)
    except http.client.HTTPException as error:
        raise OSError(str(error) or type(error).__name__) from None
    finally:
        connection.close()


def _read(
    connection: http.client.HTTPConnection, after: LogPosition | None, full_at: int
) -> LogPart:
    head, size = _head(connection, _PATH)
    is_full = size >= full_at
    if after is None:
        return LogPart((), LogPosition(head, size if head else 0), size, is_full)
    lines: list[bytes] = []
    start, is_missing = after.offset, is_full
    if after.head and after.head != head:
        start = 0
        before, _ = _head(connection, _ROTATED, or_none=True)
        if before == after.head:
            lines += _whole(_get(connection, _ROTATED, after.offset)[0])[0]
        else:
            is_missing = True
    data, _ = _get(connection, _PATH, start) if size > start else (b"", size)
    found, used = _whole(data)
    position = LogPosition(head, start + used)
    return LogPart((*lines, *found), position, size, is_missing)


def _whole(data: bytes) -> tuple[list[bytes], int]:
    """The whole lines at the beginning of data, and how many bytes they take."""
    used = data.rfind(b"\n") + 1
    return data[:used].splitlines(), used


def _head(
    connection: http.client.HTTPConnection, path: str, *, or_none: bool = False
) -> tuple[bytes, int]:
    """The first line of a file, and how many bytes it has."""
    try:
        data, size = _get(connection, path, 0, _FIRST)
    except NoRequestLog:
        if or_none:
            return b"", 0
        raise
    return data.partition(b"\n")[0] if b"\n" in data else b"", size


def _get(
    connection: http.client.HTTPConnection, path: str, start: int, count: int = _LARGEST
) -> tuple[bytes, int]:
    """Bytes of a file from a place on, and the size of the file."""
    headers = {"Range": f"bytes={start}-{start + count - 1}", "Accept-Encoding": "identity"}
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    data = response.read(_LARGEST)
    if response.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        # Of an empty file there is no first byte.
        return b"", int((response.getheader("Content-Range") or "*/0").rpartition("/")[2])
    if response.status == http.client.OK and start == 0:
        return data[:count], len(data)
    if response.status != http.client.PARTIAL_CONTENT:
        raise NoRequestLog(f"{path}: status {response.status}")
    return data, int((response.getheader("Content-Range") or "*/0").rpartition("/")[2])
