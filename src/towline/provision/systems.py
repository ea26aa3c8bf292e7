"""Systems that can be prepared, and the packages that make an engine there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from towline.errors import UsageError

# Where an engine comes from: Docker's own repository, or the distribution.
Source = Literal["docker", "distro"]

# Docker's packages, as https://docs.docker.com/engine/install/debian/ lists them.
_DOCKER = {
    "engine": ("docker-ce", "containerd.io"),
    "client": ("docker-ce-cli",),
    "compose": ("docker-compose-plugin",),
    "buildx": ("docker-buildx-plugin",),
}
_UBUNTU = {
    "engine": ("docker.io",),
    "client": (),
    "compose": ("docker-compose-v2",),
    "buildx": ("docker-buildx",),
}
# Their Compose is version 1, which Towline cannot use; there is no buildx.
_DEBIAN_OLD = {"engine": ("docker.io",), "client": ()}
_DEBIAN = {
    "engine": ("docker.io",),
    "client": ("docker-cli",),
    "compose": ("docker-compose",),
    "buildx": ("docker-buildx",),
}


@dataclass(frozen=True)
class System:
    """A system that Towline prepares.

    Attributes:
        name: As people call it.
        distro: Its own packages, by the part of the engine that they bring.
    """

    name: str
    distro: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def packages(self, source: Source) -> Mapping[str, tuple[str, ...]]:
        """The packages of an engine, by part; a part that a source lacks is missing."""
        return _DOCKER if source == "docker" else self.distro


_SYSTEMS = {
    ("debian", "11"): System("Debian 11", _DEBIAN_OLD),
    ("debian", "12"): System("Debian 12", _DEBIAN_OLD),
    ("debian", "13"): System("Debian 13", _DEBIAN),
    ("ubuntu", "22.04"): System("Ubuntu 22.04", _UBUNTU),
    ("ubuntu", "24.04"): System("Ubuntu 24.04", _UBUNTU),
}
SUPPORTED = "Debian 11, 12 and 13, Ubuntu 22.04 and 24.04"
# What the answer of a host is asked for; anything else there is not ours to know.
KNOWN = tuple(
    sorted(
        {"ca-certificates", "curl", "apparmor"}
        | {name for part in _DOCKER.values() for name in part}
        | {name for one in _SYSTEMS.values() for part in one.distro.values() for name in part}
    )
)


def find(identity: str, version: str) -> System | None:
    """The system with this `ID` and `VERSION_ID` of os-release; None when it is another."""
    return _SYSTEMS.get((identity, version))


def require(identity: str, version: str, shown: str) -> System:
    """See `find`.

    Raises:
        UsageError: When Towline does not prepare that system.
    """
    found = find(identity, version)
    if found is None:
        raise UsageError(
            f"{shown or 'its system'} is not one that Towline prepares",
            remedy=f"it prepares {SUPPORTED}; elsewhere install Docker Engine and Compose by hand, "
            "and see `inv provision.check`",
        )
    return found
