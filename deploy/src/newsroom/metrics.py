"""Prometheus metrics; labels are routes, never raw paths."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "http_requests_total", "Requests answered.", ["method", "route", "status"],
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "http_request_duration_seconds", "Time to answer.", ["method", "route"],
            registry=self.registry,
        )  # fmt: skip
        self.database_up = Gauge(
            "database_up", "Whether the database answers.", registry=self.registry
        )
        self.items = Counter("news_items_stored_total", "Items stored.", registry=self.registry)


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
            self._metrics.requests.labels(scope["method"], route, status).inc()
            took = time.perf_counter() - started
            self._metrics.seconds.labels(scope["method"], route).observe(took)
