"""What a deploy tree describes and what a release is made of, in words that all engines share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from towline.config.deploy_sections import Replicas
from towline.config.services import Role, Service
from towline.hosts.base import Host
from towline.state.releases import Release

# Services that each release brings anew, and those that stay.
REPLACED = (Role.APP, Role.WORKER, Role.JOB)
PERSISTENT = (Role.BACKING, Role.ROUTER)


@dataclass(frozen=True)
class Source:
    """What a description is read from, and filled in with.

    Attributes:
        here: This machine, which has the deploy tree.
        tree: The deploy tree.
        files: The description in it: a base, such as a Compose file, and what goes over it.
        values: Variables and secrets of the environment.
        version: The version to describe.
        commit: The git commit that it was promoted from.
    """

    here: Host
    tree: Path
    files: Sequence[Path]
    values: Mapping[str, str]
    version: str
    commit: str


@dataclass(frozen=True)
class Mount:
    """A file or folder that a service reads, on this machine and in its container."""

    source: Path
    target: str


@dataclass(frozen=True)
class Bundle:
    """The services that a deploy tree describes; an engine extends it by what only it knows.

    Attributes:
        services: Service -> its settings.
        images: Service -> the name of its image; empty where it has none.
        built: Service -> the name of its image, for those that are built here.
        mounts: Service -> files and folders that it reads.
        tree: The deploy tree.
        unset: Variables that the description names and nothing gives a value to.
    """

    services: Mapping[str, Service]
    images: Mapping[str, str] = field(default_factory=dict)
    built: Mapping[str, str] = field(default_factory=dict)
    mounts: Mapping[str, tuple[Mount, ...]] = field(default_factory=dict)
    tree: Path = Path()
    unset: tuple[str, ...] = ()

    def named(self, *roles: Role) -> list[str]:
        """Sorted names of the services that have one of these roles."""
        return sorted(name for name, service in self.services.items() if service.role in roles)

    @property
    def router(self) -> str | None:
        """The name of the router service, if there is one."""
        return next(iter(self.named(Role.ROUTER)), None)

    def reads(self, *roles: Role) -> dict[str, list[Path]]:
        """Service of these roles -> what it reads from the deploy tree, relative to it."""
        return {
            name: [
                mount.source.relative_to(self.tree)
                for mount in self.mounts.get(name, ())
                if mount.source.is_relative_to(self.tree)
            ]
            for name, service in self.services.items()
            if service.role in roles
        }


@dataclass(frozen=True)
class Draft:
    """A release that is described, and not written yet.

    Attributes:
        bundle: What it describes.
        id: Identifier that it will get.
        version: Its semantic version.
        commit: The git commit it was promoted from.
        images: Service -> image, pinned where it is known.
        replicas: Containers of each app service: one number for all, or one a service.
        request_log: Whether the router is to log requests, for analysis.
    """

    bundle: Bundle
    id: str
    version: str
    commit: str
    images: Mapping[str, str]
    replicas: Replicas
    request_log: bool = False


@dataclass(frozen=True)
class Guest:
    """A release that another host retains, and that is to come to this one."""

    release: Release
    host: Host


@dataclass(frozen=True, slots=True)
class Resource:
    """Something of an environment besides its containers.

    Attributes:
        kind: Such as `network` or `volume`.
        name: Its name.
        is_data: Whether data is lost with it.
    """

    kind: str
    name: str
    is_data: bool = False
