"""A small load generator with exact accounting, for tests: loopback only, bounded in time.

Every request that was sent is answered, failed or lost, and is counted by status and release.
A kept-alive connection that the server closed while it was idle is opened anew, as RFC 9112
(9.3.1) and every HTTP client do, and counted as `reopened`; a request that fails on a fresh
connection, or after a part of its answer came, is lost.
"""

import asyncio
import json
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Tally:
    """What came of the load."""

    sent: int = 0
    answered: int = 0
    lost: list[str] = field(default_factory=list)
    reopened: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    releases: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Answers that are not 2xx."""
        return sum(count for status, count in self.statuses.items() if not 200 <= status < 300)


class Load:
    """Steady and fresh connections against one URL, in a thread, until `stop`.

    Args:
        url: A loopback address.
        steady: Connections that are kept alive.
        fresh: Workers that open a connection for each request.
        pause: Seconds between two requests of a worker.
        limit: Seconds after which the load ends by itself.
    """

    def __init__(
        self,
        url: str,
        *,
        steady: int = 6,
        fresh: int = 4,
        pause: float = 0.01,
        limit: float = 180.0,
    ) -> None:
        parts = urlsplit(url)
        assert parts.hostname in ("127.0.0.1", "localhost"), "loopback only"
        self._host, self._port = "127.0.0.1", parts.port or (443 if parts.scheme == "https" else 80)
        self._path = parts.path or "/"
        self._tls = no_verify() if parts.scheme == "https" else None
        self._steady, self._fresh, self._pause = steady, fresh, pause
        self._deadline = time.monotonic() + limit
        self._stop = threading.Event()
        self.tally = Tally()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> "Load":
        self._thread.start()
        wait_until(lambda: self.tally.answered >= 10, "the load got no answers")
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def stop(self) -> Tally:
        """End the load and return what came of it."""
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.tally

    @property
    def _going(self) -> bool:
        return not self._stop.is_set() and time.monotonic() < self._deadline

    async def _run(self) -> None:
        workers = [self._worker(keep=True) for _ in range(self._steady)]
        workers += [self._worker(keep=False) for _ in range(self._fresh)]
        await asyncio.gather(*workers)

    async def _worker(self, *, keep: bool) -> None:
        connection = None
        while self._going:
            self.tally.sent += 1
            connection = await self._one(connection, keep=keep)
            await asyncio.sleep(self._pause)
        if connection:
            connection[1].close()

    async def _one(self, connection, *, keep: bool):  # type: ignore[no-untyped-def]
        reused = connection is not None
        started = time.monotonic()
        try:
            connection = connection or await self._open()
            status, headers, closing = await asyncio.wait_for(self._ask(*connection, keep), 30)
        except _ClosedIdle:
            connection[1].close()
            if reused:
                self.tally.reopened += 1
                return await self._one(None, keep=keep)
            self.tally.lost.append("closed before an answer, on a fresh connection")
            return None
        except (OSError, TimeoutError, ValueError, EOFError) as error:
            self.tally.lost.append(f"{type(error).__name__}: {error}")
            if connection:
                connection[1].close()
            return None
        self.tally.answered += 1
        self.tally.statuses[status] += 1
        self.tally.releases[headers.get("x-release", "?")] += 1
        self.tally.latencies.append(time.monotonic() - started)
        if closing or not keep:
            connection[1].close()
            return None
        return connection

    async def _open(self):  # type: ignore[no-untyped-def]
        return await asyncio.open_connection(self._host, self._port, ssl=self._tls)

    async def _ask(self, reader, writer, keep: bool):  # type: ignore[no-untyped-def]
        word = "keep-alive" if keep else "close"
        head = f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nConnection: {word}\r\n\r\n"
        try:
            writer.write(head.encode())
            await writer.drain()
            first = await reader.readline()
        except ConnectionError as error:
            raise _ClosedIdle from error
        if not first:
            raise _ClosedIdle
        status = int(first.split()[1])
        headers = {}
        while (line := await reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        await self._body(reader, headers)
        return status, headers, headers.get("connection", "").lower() == "close"

    async def _body(self, reader, headers) -> None:  # type: ignore[no-untyped-def]
        if headers.get("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                await reader.readexactly(size + 2)
            await reader.readline()
        else:
            await reader.readexactly(int(headers.get("content-length", 0)))


class _ClosedIdle(Exception):
    """The server closed the connection before it sent a byte of an answer."""


def no_verify() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def wait_until(condition, message: str, *, limit: float = 20.0) -> None:  # type: ignore[no-untyped-def]
    """Wait for a condition, or fail with a message."""
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, message
        time.sleep(0.02)


if __name__ == "__main__":
    import sys

    with Load(sys.argv[1]) as load:
        time.sleep(float(sys.argv[2]))
    t = load.tally
    print(
        json.dumps(
            {
                "sent": t.sent,
                "answered": t.answered,
                "lost": t.lost,
                "failed": t.failed,
                "reopened": t.reopened,
                "releases": t.releases,
            }
        )
    )
