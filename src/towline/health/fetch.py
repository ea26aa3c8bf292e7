"""One request that ends: in time, whatever the other side does, and with so many bytes at most.

A socket's own timeout is for each read, so that a page that drips, or one that never ends (events
that the server sends), could keep a deploy waiting for ever. Here every read gets what is left of
one deadline.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

LIMIT = 1_000_000
"""Bytes of a page that are looked at."""


@dataclass(frozen=True, slots=True)
class Page:
    """What was answered.

    Attributes:
        text: The body, as far as it was read.
        ended: The body was read to its end, or as far as anybody looks.
        seconds: How long it took.
    """

    status: int
    text: str
    ended: bool
    seconds: float


def fetch(
    url: str,
    *,
    headers: Mapping[str, str],
    timeout: float,
    method: str = "GET",
    body: bytes = b"",
    tls: ssl.SSLContext | None = None,
    until: str = "",
    limit: int = LIMIT,
    direct: bool = False,
) -> Page:
    """Ask for a page; redirects are not followed.

    Args:
        url: Its address.
        headers: Sent over the usual ones; `Host` takes the place of the address's own.
        timeout: Seconds until all must be over: name, connection, headers and body.
        method: Such as `POST`.
        body: What is sent.
        tls: For an `https` address.
        until: Reading ends when this is in the body; to the end when empty.
        limit: Bytes of the body that are read at most.
        direct: An engine gave the address: no proxy leads to it, whatever the environment says.

    Raises:
        OSError: Nothing could be asked, or no answer came in time.
        http.client.HTTPException: What answered does not speak HTTP.
    """
    started = time.monotonic()
    ends = started + timeout
    connection, target = _connection(url, ends, tls, direct)
    try:
        connection.connect()
        connection.sock = cast(socket.socket, _Timed(connection.sock, ends))
        sent = {"User-Agent": "towline", "Connection": "close", "Accept": "*/*", **headers}
        connection.request(method, target, body=body or None, headers=sent)
        response = connection.getresponse()
        text, ended = _body(response, until, limit)
    finally:
        connection.close()
    return Page(response.status, text, ended, time.monotonic() - started)


def _connection(
    url: str, ends: float, tls: ssl.SSLContext | None, direct: bool
) -> tuple[http.client.HTTPConnection, str]:
    """An open way to a server, through a proxy where the environment says so, and what to ask."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    left = max(0.001, ends - time.monotonic())
    is_secure = parts.scheme == "https"

    def made(host: str, port: int) -> http.client.HTTPConnection:
        if is_secure:
            return http.client.HTTPSConnection(host, port, timeout=left, context=tls)
        return http.client.HTTPConnection(host, port, timeout=left)

    proxy = urlsplit(getproxies().get(parts.scheme, ""))
    if direct or not proxy.hostname or _is_here(host) or proxy_bypass(host):
        return made(host, port), target
    connection = made(proxy.hostname, proxy.port or 3128)
    if is_secure:
        connection.set_tunnel(host, port)
        return connection, target
    return connection, url


def _is_here(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"


def _body(response: http.client.HTTPResponse, until: str, limit: int) -> tuple[str, bool]:
    """The text of a body, and whether it is all that anybody looks at."""
    data = b""
    wanted = until.encode()
    try:
        while len(data) < limit:
            part = response.read1(min(65536, limit - len(data)))
            data += part
            if not part or (wanted and wanted in data):
                break
    except TimeoutError:
        return data.decode("utf-8", "replace"), False
    return data.decode("utf-8", "replace"), True


class _Timed:
    """A socket whose reads and writes all share one deadline; `http.client` asks no more of it."""

    def __init__(self, inner: socket.socket, ends: float) -> None:
        self._inner = inner
        self._ends = ends

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """What `http.client` reads an answer from; it keeps the socket open until it is closed."""
        return io.BufferedReader(_Reader(self, self._inner.makefile("rb", buffering=0)))

    def sendall(self, data: bytes) -> None:
        """Send a request."""
        self.count()
        self._inner.sendall(data)

    def count(self) -> None:
        """Let the next read or write take what is left of the time."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._inner.settimeout(left)

    def close(self) -> None:
        """End the connection, once the answer is read."""
        self._inner.close()


class _Reader(io.RawIOBase):
    def __init__(self, timed: _Timed, raw: io.RawIOBase) -> None:
        self._timed = timed
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._timed.count()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
