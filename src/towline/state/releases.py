"""The releases that a host keeps, and the state folder they lie in.

STATE/releases/ID/release.json   what it is, and whether it proved good or bad
STATE/releases/ID/env            variables and secrets as they were (0600)
STATE/releases/ID/tree/          compose file and configuration as they were
STATE/releases/ID/*.json         what its engine wrote to run it (0600)
STATE/live/                      what backing services and the router mount
STATE/routes/                    what the router includes
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from towline.config.redaction import KNOWN
from towline.config.services import Role, Service
from towline.errors import TowlineError
from towline.hosts.base import Files
from towline.state.release_record import read_record

_RECORD = "release.json"
# Of the promoted tree; see `release.manifest`.
_MANIFEST = "release.json"
# What lies in a release folder beside its tree, and what a killed writer left of it.
_NAMES = r"(release|kept|blue|green|journal)\.json|env"
_OWN = re.compile(rf"({_NAMES})|\.({_NAMES})\.\w{{8}}|logs/[^/]+\.log")


class Status(StrEnum):
    """What is known of a release."""

    NEW = "new"
    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True)
class StateFolder:
    """Where an environment keeps its state on a host."""

    root: Path

    @property
    def releases(self) -> Path:
        """One folder a release."""
        return self.root / "releases"

    @property
    def live(self) -> Path:
        """What backing services and the router mount; one stable path."""
        return self.root / "live"

    @property
    def routes(self) -> Path:
        """The folder of routes.conf."""
        return self.root / "routes"

    @property
    def journal(self) -> Path:
        """The record of operations."""
        return self.root / "journal.jsonl"

    @property
    def lock(self) -> Path:
        """The lock file."""
        return self.root / "lock"

    @property
    def lead(self) -> Path:
        """Which host has journal, lock and hold, as this host knows it."""
        return self.root / "lead.json"

    @property
    def pause_request(self) -> Path:
        """The file by which somebody asks a running deploy to pause."""
        return self.root / "pause.json"

    @property
    def hold(self) -> Path:
        """The file that holds deploys back."""
        return self.root / "hold.json"

    @property
    def guard(self) -> Path:
        """Who watches the environment."""
        return self.root / "guard.json"


@dataclass(frozen=True)
class Release:
    """One retained release.

    Attributes:
        id: The version, with `+rN` when the same version was deployed with other settings.
        fingerprint: Digest of everything a deploy depends on: content, variables, settings.
        content: The manifest's digest of the promoted tree.
        images: Service -> image, pinned by digest or id.
        services: Service -> its `x-towline` section.
        replicas: Containers of each app service whose section does not say.
        migrations: Path of each migration that it knows -> SHA-256; see `promotion.migrations`.
        host_files: Path in its tree -> digest, mode and owner of a key or secret that its app
            services read; such files are in no manifest.
        status: Whether it proved good or bad.
        reason: Why it is bad, or was rolled back.
        created: UTC time, ISO 8601, by the clock of whoever deployed it.
        number: Its place among the releases of the host; 0 in records of earlier versions.
    """

    id: str
    version: str
    commit: str
    fingerprint: str
    content: str
    images: Mapping[str, str]
    services: Mapping[str, Mapping[str, Any]]
    folder: Path
    replicas: int = 1
    migrations: Mapping[str, str] = field(default_factory=dict)
    host_files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    status: Status = Status.NEW
    reason: str = ""
    created: str = ""
    number: int = 0

    @property
    def order(self) -> tuple[int, str]:
        """Sorts releases from the oldest to the newest, whatever clocks their deployers have."""
        return self.number, self.created

    @property
    def tree(self) -> Path:
        """Compose file and configuration as they were."""
        return self.folder / "tree"

    def settings(self, service: str) -> Service:
        """The `x-towline` section of a service."""
        return Service.model_validate(self.services[service])

    def named(self, *roles: Role) -> list[str]:
        """Names of the services that have one of these roles."""
        return sorted(name for name in self.services if self.settings(name).role in roles)

    def replicas_of(self, service: str) -> int:
        """How many containers a service has in its slot, as far as the record says."""
        settings = self.settings(service)
        return settings.replicas or (self.replicas if settings.role is Role.APP else 1)

    def counts(self, *roles: Role) -> dict[str, int]:
        """Service -> containers, of the services that have one of these roles."""
        return {name: self.replicas_of(name) for name in self.named(*roles)}

    @property
    def schema_jobs(self) -> list[str]:
        """Names of its jobs that may change the schema."""
        return [name for name in self.named(Role.JOB) if self.settings(name).changes_schema]

    @property
    def router(self) -> str | None:
        """Name of the router service."""
        return next(iter(self.named(Role.ROUTER)), None)


@dataclass
class ReleaseStore:
    """Reads and writes the retained releases of one environment.

    Attributes:
        sent: Bytes of release folders that travelled to the host.
    """

    files: Files
    state: StateFolder
    sent: int = 0
    _read: dict[str, Release] = field(default_factory=dict)

    def all(self) -> list[Release]:
        """Every retained release, oldest first."""
        found = (self.get(name) for name in self.files.names(self.state.releases))
        return sorted((item for item in found if item), key=lambda item: item.order)

    def get(self, identifier: str) -> Release | None:
        """One retained release by its identifier; None when it is not retained.

        Raises:
            TowlineError: When its record cannot be read.
        """
        if identifier in self._read:
            return self._read[identifier]
        folder = self.state.releases / identifier
        if not identifier or identifier.startswith("."):
            return None
        try:
            fields = read_record(self.files.read(folder / _RECORD))
            fields["status"] = Status(fields["status"])
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise TowlineError(
                f"{folder / _RECORD} cannot be read: {error}",
                remedy=f"restore it, or remove the folder {folder} and deploy that version again",
            ) from None
        if fields["id"] != identifier:
            return None  # a copy that somebody made
        release = Release(**fields, folder=folder)
        self._read[identifier] = release
        return release

    def next_id(self, version: str, also: Collection[str] = ()) -> str:
        """An identifier for one more release of a version; `also` are taken on other hosts."""
        taken = {*self.files.names(self.state.releases), *also}
        if version not in taken:
            return version
        joint = "." if "+" in version else "+"
        number = 2
        while f"{version}{joint}r{number}" in taken:
            number += 1
        return f"{version}{joint}r{number}"

    def add(
        self,
        release: Release,
        files: Mapping[str, tuple[bytes, int]],
        known: Mapping[str, Path] | None = None,
    ) -> Release:
        """Write a release folder, whole or not at all; it is the newest from then on.

        Whoever adds one holds the lock, so no two get the same number.

        Args:
            release: The release; its record is written too.
            files: Path in its folder -> content and mode.
            known: Path in its folder -> a file of another retained release with that content.
        """
        release = replace(release, number=max((item.number for item in self.all()), default=0) + 1)
        everything = {**files, _RECORD: (_record(release), 0o600)}
        self.sent += self.files.install(release.folder, everything, known or {})
        self._read[release.id] = release
        return release

    def mark(self, release: Release, status: Status, reason: str = "") -> Release:
        """Record that a release proved good or bad; secrets in the reason are masked."""
        marked = replace(release, status=status, reason=KNOWN.redact(reason))
        if marked != release:
            self._write(release.folder, marked)
        self._read[release.id] = marked
        return marked

    def remove(self, release: Release) -> list[str]:
        """Forget a release.

        Returns:
            What others put into its folder, which stays: paths in it.
        """
        left = self.files.remove_known(release.folder, self._written(release))
        self._read.pop(release.id, None)
        return left

    def _written(self, release: Release) -> Callable[[str], bool]:
        """Whether a path in a release folder is one that Towline writes there."""
        known = {f"tree/{name}" for name in release.host_files} | {f"tree/{_MANIFEST}"}
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            manifest = json.loads(self.files.read(release.tree / _MANIFEST))
            known |= {f"tree/{name}" for name in manifest["files"]}
        return lambda path: path in known or bool(_OWN.fullmatch(path))

    def _write(self, folder: Path, release: Release) -> None:
        self.files.write(folder / _RECORD, _record(release), 0o600)


def _record(release: Release) -> bytes:
    data = {name: value for name, value in asdict(release).items() if name != "folder"}
    return (json.dumps(data, indent=2, sort_keys=True) + "\n").encode()
