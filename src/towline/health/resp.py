"""The protocol of Redis and Valkey, as much of it as a probe speaks.

Source: "Redis serialization protocol specification", RESP2.
"""

from __future__ import annotations

import socket
import time
from types import TracebackType
from typing import Self

from towline.health.target import Address

Reply = str | int | None | list["Reply"]
_LIMIT = 1_000_000
_DEEPEST = 8


class RespError(Exception):
    """What the server refuses; its first word says how, such as `NOAUTH`."""

    @property
    def code(self) -> str:
        """The first word."""
        return str(self).partition(" ")[0]


class Resp:
    """One connection, whose answers must all be there in time.

    Args:
        address: The server's.
        timeout: Seconds until all must be over.

    Raises:
        OSError: When it cannot be reached.
    """

    def __init__(self, address: Address, timeout: float) -> None:
        self._ends = time.monotonic() + timeout
        self._socket = socket.create_connection(address, timeout=timeout)
        self._data = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._socket.close()

    def call(self, *words: str) -> Reply:
        """Send a command and return its reply.

        Raises:
            RespError: When the server refuses it.
            OSError: When no answer comes in time.
            ValueError: When what answers does not speak the protocol.
        """
        parts = [word.encode() for word in words]
        sent = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self._take_time()
        self._socket.sendall(b"*%d\r\n%s" % (len(parts), sent))
        return self._reply(0)

    def _reply(self, depth: int) -> Reply:
        line = self._line()
        kind, rest = line[:1], line[1:].decode("utf-8", "replace")
        if kind == b"+":
            return rest
        if kind == b"-":
            raise RespError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            length = int(rest)
            return None if length < 0 else self._exactly(length).decode("utf-8", "replace")
        if kind == b"*" and depth < _DEEPEST:
            return [self._reply(depth + 1) for _ in range(max(0, int(rest)))]
        raise ValueError(f"it does not speak the protocol of Redis: {line[:40]!r}")

    def _line(self) -> bytes:
        while b"\r\n" not in self._data:
            self._more()
        line, _, self._data = self._data.partition(b"\r\n")
        return line

    def _exactly(self, length: int) -> bytes:
        while len(self._data) < length + 2:
            self._more()
        found, self._data = self._data[:length], self._data[length + 2 :]
        return found

    def _more(self) -> None:
        if len(self._data) > _LIMIT:
            raise ValueError("its answer does not end")
        self._take_time()
        part = self._socket.recv(65536)
        if not part:
            raise ConnectionResetError("it hung up")
        self._data += part

    def _take_time(self) -> None:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
