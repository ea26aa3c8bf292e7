"""Prometheus metrics; labels are routes, never raw paths."""

import time
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POOL = "Connections of the database pool."


class Metrics:
    """The metrics of one application; those of requests name its release and its slot."""

    def __init__(self, release: str = "", slot: str = "") -> None:
        self.registry = CollectorRegistry()
        self._ours = {"release": release, "slot": slot}
        self._requests = Counter(
            "http_requests_total", "Requests answered.",
            ["method", "route", "status", *self._ours], registry=self.registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "http_request_duration_seconds", "Time to answer.",
            ["method", "route", *self._ours], registry=self.registry,
        )  # fmt: skip
        self.database_up = Gauge(
            "database_up", "Whether the database answers.", registry=self.registry
        )
        self.database_seconds = Gauge(
            "database_ping_seconds", "Time of the last query that asks for nothing.",
            registry=self.registry,
        )  # fmt: skip
        self.healthy = Gauge(
            "service_healthy", "Whether the service is healthy, as /health/overall says it.",
            registry=self.registry,
        )  # fmt: skip
        self._pool = Gauge("database_pool_connections", _POOL, ["state"], registry=self.registry)
        self._pool_limit = Gauge(
            "database_pool_limit", "Connections that the pool may have.", registry=self.registry
        )
        self.items = Counter("news_items_stored_total", "Items stored.", registry=self.registry)
        info = Gauge(
            "release_info", "The release that runs; always 1.", [*self._ours],
            registry=self.registry,
        )  # fmt: skip
        info.labels(**self._ours).set(1)
        ProcessCollector(registry=self.registry)
        limit = memory_limit()
        if limit:
            Gauge(
                "memory_limit_bytes", "Memory that the container may use.", registry=self.registry
            ).set(limit)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        given = {"method": method, "route": route, **self._ours}
        self._requests.labels(status=status, **given).inc()
        self._seconds.labels(**given).observe(seconds)

    def show_pool(self, figures: Mapping[str, int]) -> None:
        """Take over what the database's pool says of itself."""
        self._pool_limit.set(figures["limit"])
        for state in ("in_use", "idle", "overflow"):
            self._pool.labels(state).set(figures[state])


def memory_limit(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this container may use, by its control group; 0 without a limit."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = (root / name).read_text().strip()
        except OSError:
            continue
        # The first version says a huge number where there is none.
        return int(text) if text.isdigit() and int(text) < 1 << 60 else 0
    return 0


class Measure:
    """ASGI middleware: counts requests, and says which release answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics, release: str) -> None:
        self._app, self._metrics = app, metrics
        self._release = release.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def measured(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-release", self._release)]
            await send(message)

        try:
            await self._app(scope, receive, measured)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            took = time.perf_counter() - started
            self._metrics.answered(scope["method"], route, status, took)
