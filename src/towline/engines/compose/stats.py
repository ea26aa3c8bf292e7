"""What a container uses, from the Docker engine's statistics.

Source of the arithmetic: the engine's API reference, `GET /containers/{id}/stats`, and what
`docker stats` subtracts from memory (cli/command/container/stats_helpers.go).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from towline.engines.compose import containers
from towline.engines.observed import Container
from towline.engines.usage import Usage
from towline.errors import NoSuchObject, TowlineError

if TYPE_CHECKING:
    from docker import APIClient


def read_usage(api: APIClient, container: Container) -> Usage:
    """What a container uses; one question without the engine's own second of waiting.

    Raises:
        TowlineError: When it does not run.
    """
    try:
        # By default the engine waits for a second reading, to tell a rate.
        found = api.stats(container.id, stream=False, one_shot=True)
        made = api.inspect_container(container.id)
    except NoSuchObject:
        raise TowlineError(f"container {container.name} is gone") from None
    if not made["State"].get("Running"):
        raise TowlineError(f"container {container.name} does not run")
    return usage_of(found, made, _oom_kills(api, container), time.monotonic())


def usage_of(
    found: Mapping[str, Any], made: Mapping[str, Any], oom_kills: int, read_at: float
) -> Usage:
    """A container's usage in the engine's words."""
    cpu, memory = found["cpu_stats"], found.get("memory_stats") or {}
    host = made["HostConfig"]
    machine = float(cpu.get("online_cpus") or len(cpu["cpu_usage"].get("percpu_usage") or [0]))
    limit = host.get("NanoCpus", 0) / 1e9
    if not limit and host.get("CpuQuota", 0) > 0:
        limit = host["CpuQuota"] / (host.get("CpuPeriod") or 100_000)
    kept = memory.get("stats") or {}
    cached = int(kept.get("inactive_file", kept.get("total_inactive_file", 0)))
    # An engine that finds no control groups says 0 of everything.
    used = int(memory.get("usage") or 0)
    return Usage(
        cpu_seconds=cpu["cpu_usage"]["total_usage"] / 1e9 if used else None,
        cores=limit or machine,
        memory=(used - cached if cached < used else used) if used else None,
        memory_limit=int(memory.get("limit") or 0),
        restarts=int(made.get("RestartCount") or 0),
        oom_kills=max(oom_kills, int(bool(made["State"].get("OOMKilled")))),
        read_at=read_at,
    )


def _oom_kills(api: APIClient, container: Container) -> int:
    """How many the engine remembers: it keeps the last 256 events of everything."""
    filters = {"container": container.id, "event": "oom"}
    # An end that is not over yet, by the engine's own clock, would be waited for.
    until = int(containers.now(api))
    since = min(max(1, container.created - 1), until)
    return sum(1 for _ in api.events(since=since, until=until, filters=filters, decode=True))
