"""Read the router's request log over its own port, from where the last reading ended.

The log is rotated by whoever reads it, so a reader may find another file than it read before: it
knows a file by its first line, and reads the rest of the part before first.
"""

from __future__ import annotations

import http.client
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

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
        clock: What time it is for the router, in Unix seconds and to the second; 0 when unknown.
        is_missing_some: Requests were logged that nobody can read any more: the log was begun
            anew more than once since the last reading, or was full.
    """

    lines: tuple[bytes, ...]
    position: LogPosition
    size: int = 0
    is_missing_some: bool = False
    clock: float = 0.0


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
        return _Log(connection).read(after, full_at)
    except http.client.HTTPException as error:
        raise OSError(str(error) or type(error).__name__) from None
    finally:
        connection.close()


@dataclass
class _Log:
    """A router's log over one connection."""

    connection: http.client.HTTPConnection
    clock: float = 0.0

    def read(self, after: LogPosition | None, full_at: int) -> LogPart:
        """See `read_log`."""
        try:
            head, size = self._head(_PATH)
        except NoRequestLog:
            # It is begun anew at this moment: nginx has not made the new file yet.
            if after is None or not self._rotated_head():
                raise
            return LogPart((), after, 0, clock=self.clock)
        is_full = size >= full_at
        if after is None:
            position = LogPosition(head, size if head else 0)
            return LogPart((), position, size, is_full, self.clock)
        lines: list[bytes] = []
        start, is_missing = after.offset, is_full
        if after.head and after.head != head:
            start = 0
            if self._rotated_head() == after.head:
                lines += _whole(self._get(_ROTATED, after.offset)[0])[0]
            else:
                is_missing = True
        data = self._get(_PATH, start)[0] if size > start else b""
        found, used = _whole(data)
        position = LogPosition(head, start + used)
        return LogPart((*lines, *found), position, size, is_missing, self.clock)

    def _rotated_head(self) -> bytes:
        """The first line of the part before; empty where there is none."""
        try:
            return self._head(_ROTATED)[0]
        except NoRequestLog:
            return b""

    def _head(self, path: str) -> tuple[bytes, int]:
        """The first line of a file, and how many bytes it has."""
        data, size = self._get(path, 0, _FIRST)
        return data.partition(b"\n")[0] if b"\n" in data else b"", size

    def _get(self, path: str, start: int, count: int = _LARGEST) -> tuple[bytes, int]:
        """Bytes of a file from a place on, and the size of the file."""
        headers = {"Range": f"bytes={start}-{start + count - 1}", "Accept-Encoding": "identity"}
        self.connection.request("GET", path, headers=headers)
        response = self.connection.getresponse()
        data = response.read(_LARGEST)
        if said := response.getheader("Date"):
            with suppress(ValueError):
                self.clock = parsedate_to_datetime(said).timestamp()
        size = int((response.getheader("Content-Range") or "*/0").rpartition("/")[2])
        if response.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            # Of an empty file there is no first byte.
            return b"", size
        if response.status == http.client.OK and start == 0:
            return data[:count], len(data)
        if response.status != http.client.PARTIAL_CONTENT:
            raise NoRequestLog(f"{path}: status {response.status}")
        return data, size


def _whole(data: bytes) -> tuple[list[bytes], int]:
    """The whole lines at the beginning of data, and how many bytes they take."""
    used = data.rfind(b"\n") + 1
    return data[:used].splitlines(), used
