"""Is a Docker host fit for a deploy: engine, Compose, disk, ports?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from towline.engines.observed import ObservedState
from towline.errors import UsageError
from towline.findings import Finding, Severity
from towline.hosts.base import Host
from towline.hosts.capacity import Capacity, Space, judge_space, judge_versions


def check_engine(host: Host) -> Iterator[Finding]:
    """Versions of the Docker engine and of Compose."""
    found = Capacity(str(host.docker().version()["Version"]), host.compose_version())
    yield from judge_versions(
        found, "install Compose version 2 (package docker-compose-plugin or docker-compose-v2)"
    )


def check_reach(host: Host) -> Iterator[Finding]:
    """Whether health can be asked from here."""
    try:
        host.require_reach()
    except UsageError as error:
        yield Finding("forwarding", Severity.ERROR, error.message, error.remedy)


def check_disk(host: Host, state: Path, wanted: int) -> Iterator[Finding]:
    """Free space where state and images live."""
    folders = {"state": state, "images": Path(str(host.docker().info()["DockerRootDir"]))}
    spaces = [
        Space(what, host.files.free_bytes(folder), str(folder)) for what, folder in folders.items()
    ]
    yield from judge_space(Capacity(spaces=spaces), wanted)


def check_ports(
    host: Host, persistent: dict[str, Any], observed: ObservedState
) -> Iterator[Finding]:
    """Ports that backing services and the router publish: free, or ours already."""
    ours = {
        (item.service, port)
        for item in observed.persistent()
        if item.running
        for port in item.ports.values()
    }
    for name, definition in persistent["services"].items():
        for port in definition.get("ports") or []:
            number = str(port.get("published") or "")
            if not number.isdigit() or (name, int(number)) in ours:
                continue
            address = port.get("host_ip") or "0.0.0.0"  # noqa: S104 - what Compose would bind
            if host.port_free(address, int(number)):
                yield Finding("ports", Severity.OK, f"port {number} is free for {name}")
            else:
                yield Finding(
                    "ports",
                    Severity.ERROR,
                    f"port {number}, wanted by {name}, is in use by another program",
                    f"`ss -ltnp 'sport = :{number}'` shows it; stop it, or change {name}'s port",
                )
