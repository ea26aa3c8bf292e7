"""Any figure that Prometheus can tell: `query` with `$slot`, `$release` and `$window`.

Source of the format: https://prometheus.io/docs/prometheus/latest/querying/api/ (instant queries).
"""

from __future__ import annotations

import math
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from towline.analysis.sources.base import (
    Sample,
    SourceContext,
    SourceError,
    SourceKind,
    Window,
)
from towline.health.target import in_url

if TYPE_CHECKING:
    from httpx import URL

_PORT = 9090
_TIMEOUT = 5.0


@dataclass
class PrometheusSource:
    """Asks one query; the metric's name is only a name."""

    context: SourceContext

    def read(self, metric: str, slot: str, window: Window) -> Sample:
        """See `Source.read`."""
        query = filled_in(
            str(self.context.settings.get("query", "")),
            slot=slot,
            release=self.context.releases.get(slot, ""),
            window=f"{max(1, round(window.seconds))}s",
        )
        return parse_answer(metric, self._ask(query, window.end))

    def _ask(self, query: str, at: float) -> Any:
        import httpx

        url = _parsed(self._address())
        # What is told, and logged, is without the path and without the password.
        shown = f"{url.scheme}://{url.netloc.decode()}"
        try:
            answer = httpx.get(
                f"{str(url.copy_with(userinfo=b'')).rstrip('/')}/api/v1/query",
                params={"query": query, "time": f"{at:.3f}"},
                timeout=_TIMEOUT,
                auth=(url.username, url.password) if url.userinfo else None,
                # No proxy leads to the address of a container.
                trust_env=bool(self.context.settings.get("url")),
            )
            data = answer.json()
        except httpx.HTTPError as error:
            raise SourceError(f"prometheus: {shown}: {error or type(error).__name__}") from None
        except ValueError:
            raise SourceError(
                f"prometheus: {shown} answered {answer.status_code}, and no JSON"
            ) from None
        if not isinstance(data, dict) or data.get("status") != "success":
            said = data.get("error", "") if isinstance(data, dict) else ""
            raise SourceError(f"prometheus: {said or answer.status_code}: {query}")
        return data

    def _address(self) -> str:
        settings = self.context.settings
        if settings.get("url"):
            return str(settings["url"])
        name = str(settings.get("service") or "prometheus")
        port = int(settings.get("port") or _PORT)
        for item in self.context.engine.observe().service(name):
            if item.running and (address := self.context.engine.address(item, port)):
                return f"http://{in_url(address)}"
        raise SourceError(
            f"prometheus: no container of service {name} runs",
            remedy="set `service:` of the check to that of the Compose file, or `url:`",
        )


def _parsed(url: str) -> URL:
    import httpx

    try:
        return httpx.URL(url)
    except httpx.InvalidURL:
        # What is wrong with it may be a part of a password.
        raise SourceError(
            "prometheus: `url` of the check is no address",
            remedy="write it as https://prom.example:9090, with `@`, `:` and `/` of a password as "
            "%40, %3A and %2F",
        ) from None


def filled_in(query: str, **values: str) -> str:
    """A query with its variables; what `$` means elsewhere in it stays."""
    return string.Template(query).safe_substitute(values)


def parse_answer(metric: str, data: Any) -> Sample:
    """The figure of an answer: one number, or nothing where no series matched.

    Raises:
        SourceError: When it is several, or none of the kinds that are numbers.
    """
    try:
        kind, result = data["data"]["resultType"], data["data"]["result"]
        if kind == "scalar":
            values = [result[1]]
        elif kind == "vector":
            values = [item["value"][1] for item in result]
        else:
            raise SourceError(f"prometheus: {metric}: the query gives a {kind}, not a number")
        if len(values) > 1:
            raise SourceError(
                f"prometheus: {metric}: the query gives {len(values)} series",
                remedy="aggregate them, such as by `sum(…)`",
            )
        value = float(values[0]) if values else math.nan
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise SourceError(f"prometheus: {metric}: unreadable answer: {error}") from None
    # 0 / 0 is what a rate without requests gives: that is no figure.
    return Sample(None, 0) if math.isnan(value) else Sample(value, 1)


SOURCE = SourceKind(PrometheusSource, is_shared=False)
