"""Observed state: what the labels on containers say, never a guess."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

# Where a published port is reached on the host itself.
_REACHED = ("127.0.0.1", "0.0.0.0")  # noqa: S104 - compared, not bound

SLOTS = ("blue", "green")


def other(slot: str | None) -> str:
    """The other slot; the first release goes to blue."""
    return "green" if slot == "blue" else "blue"


@dataclass(frozen=True, slots=True)
class Container:
    """One container of an environment.

    Attributes:
        state: `running`, `exited`, `restarting`, `created`, `paused` or `dead`.
        health: `healthy`, `unhealthy`, `starting`, or empty without a healthcheck.
        ports: Container port -> loopback port on the host.
        created: Unix time in seconds.
    """

    id: str
    name: str
    service: str
    role: str
    state: str
    health: str = ""
    slot: str = ""
    release: str = ""
    version: str = ""
    image: str = ""
    status: str = ""
    created: int = 0
    ports: dict[int, int] = field(default_factory=dict)
    address: str = ""

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.state == "running"


@dataclass(frozen=True, slots=True)
class Image:
    """An image on a host.

    Attributes:
        id: What its engine calls it.
        pinned: The reference that names this very image: by registry digest, else by its id.
        content: Digest of the promoted content that it was built from; empty for one of others.
    """

    id: str
    pinned: str
    content: str = ""


@dataclass(frozen=True)
class ObservedState:
    """All containers of an environment."""

    containers: tuple[Container, ...] = ()

    def of(self, slot: str, *roles: str) -> list[Container]:
        """Containers of one slot, of some roles (all when none is named)."""
        return [
            item
            for item in self.containers
            if item.slot == slot and item.role in (roles or (item.role,))
        ]

    def persistent(self) -> list[Container]:
        """Backing services and the router."""
        return [item for item in self.containers if not item.slot]

    def service(self, name: str) -> list[Container]:
        """Containers of one service, of either slot."""
        return [item for item in self.containers if item.service == name]

    def role(self, role: str) -> list[Container]:
        """Containers of one role."""
        return [item for item in self.containers if item.role == role]

    def release_of(self, slot: str | None) -> str:
        """The release whose app containers are in a slot; empty when there are none."""
        found = self.of(slot, "app") if slot else []
        return found[0].release if found else ""


def parse_containers(items: Iterable[dict[str, Any]]) -> ObservedState:
    """Containers from the engine's listing (`GET /containers/json`)."""
    found = (_container(item) for item in items)
    return ObservedState(
        tuple(sorted(found, key=lambda item: (item.slot, item.service, item.name)))
    )


def _container(item: dict[str, Any]) -> Container:
    labels = item.get("Labels") or {}
    status = item.get("Status", "")
    health = re.search(r"\((healthy|unhealthy|health: starting)\)", status)
    networks = (item.get("NetworkSettings") or {}).get("Networks") or {}
    return Container(
        id=item["Id"],
        name=(item.get("Names") or ["/?"])[0].lstrip("/"),
        service=labels.get("towline.service", ""),
        role=labels.get("towline.role", ""),
        state=item.get("State", ""),
        health=health[1].removeprefix("health: ") if health else "",
        slot=labels.get("towline.colour", ""),
        release=labels.get("towline.release", ""),
        version=labels.get("towline.version", ""),
        image=item.get("Image", ""),
        status=status,
        created=int(item.get("Created", 0)),
        ports={
            port["PrivatePort"]: port["PublicPort"]
            for port in item.get("Ports") or []
            if port.get("PublicPort") and port.get("IP") in _REACHED
        },
        address=next((net["IPAddress"] for net in networks.values() if net["IPAddress"]), ""),
    )
