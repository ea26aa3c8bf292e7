"""Prometheus is ready, and what it watches is up.

A target counts as down when its last scrapes all failed: what was just started or stopped is not
known there yet, and a deploy does both.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from towline.config.http_request import HttpRequest
from towline.config.probes import PrometheusProbe
from towline.config.redaction import excerpt
from towline.config.units import parse_duration
from towline.health.expectations import send_request
from towline.health.fetch import fetch
from towline.health.probes import Answer, Outcome, failure
from towline.health.target import Target, in_url

_SCRAPES = 3
# Where a target does not say how often it is scraped, as before 2.28.
_INTERVAL = 60.0
_NAMED = 3
_SHOWN = 80

Json = Mapping[str, Any]


def ask(probe: PrometheusProbe, target: Target) -> Answer:
    """See `ask_probe`."""
    address, port = target.at(probe.port)
    base = f"http://{in_url(address)}{probe.prefix}"
    wanted = HttpRequest(path="/-/ready")
    ready = send_request(base, wanted, timeout=probe.timeout, port=port, direct=True)
    if not ready.healthy:
        return replace(ready, detail=f"/-/ready: {ready.detail}")
    if target.in_deploy or not probe.targets:
        return replace(ready, detail=f"ready: {ready.detail}")
    try:
        return _judge(base, ready, probe.timeout)
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        said = f"/api/v1/targets: {failure(error, probe.timeout, port)}"
        return Answer(Outcome.ERROR, said, ready.seconds)


def _judge(base: str, ready: Answer, timeout: float) -> Answer:
    """What the targets are like. Source: Prometheus's "HTTP API"."""
    targets = _get(base, "/api/v1/targets", {"state": "active"}, timeout)["activeTargets"]
    failing = [item for item in targets if item["health"] == "down"]
    # An interval that was configured may be any duration, such as `1m30s`.
    slowest = max((_interval(item) for item in failing), default=_INTERVAL)
    down = _long_down(base, slowest, timeout) if failing else set()
    bad = [item for item in failing if _key(item["labels"]) in down]
    up = sum(item["health"] == "up" for item in targets)
    if bad:
        return Answer(Outcome.FAILURE, _told(bad, len(targets)), ready.seconds)
    later = f", {len(targets) - up} not known yet" if up < len(targets) else ""
    said = f"ready, {up} of {len(targets)} targets up{later}"
    return Answer(Outcome.HEALTHY, said, ready.seconds)


def _long_down(base: str, interval: float, timeout: float) -> set[tuple[str, str]]:
    """Job and instance of all whose last scrapes failed one and all."""
    window = f"[{round(interval * (_SCRAPES + 0.5))}s]"
    query = f"max_over_time(up{window}) == 0 and count_over_time(up{window}) >= {_SCRAPES}"
    found = _get(base, "/api/v1/query", {"query": query}, timeout)["result"]
    return {_key(item["metric"]) for item in found}


def _get(base: str, path: str, asked: Mapping[str, str], timeout: float) -> Json:
    url = f"{base}{path}?{urlencode(asked)}"
    page = fetch(url, headers={}, timeout=timeout, limit=1 << 24, direct=True)
    answer: Json = json.loads(page.text)
    data: Json = answer["data"]
    return data


def _interval(target: Json) -> float:
    return parse_duration(target.get("scrapeInterval") or _INTERVAL)


def _key(labels: Mapping[str, str]) -> tuple[str, str]:
    return labels.get("job", ""), labels.get("instance", "")


def _told(bad: Sequence[Json], count: int) -> str:
    named = ", ".join(
        f"{item['labels'].get('job')} {item['labels'].get('instance')} "
        f"({excerpt(item.get('lastError') or 'down', _SHOWN)})"
        for item in bad[:_NAMED]
    )
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return f"{len(bad)} of {count} targets are down: {named}{more}"
