"""What is asked of an engine before anything runs: what a tree describes, and what it needs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from towline.config.services import Role
from towline.engines.bundle import Bundle, Draft, Guest, Source
from towline.engines.image_store import ImageStore
from towline.findings import Finding
from towline.hosts.base import Folder
from towline.state.releases import Release


class Describer(Protocol):
    """The part of an engine that describes, prepares and inspects releases."""

    @property
    def images(self) -> ImageStore:
        """The images of its host."""
        ...

    @property
    def configuration(self) -> Folder:
        """What persistent services read, each file by its path in the deploy tree."""
        ...

    def describe(self, source: Source) -> Bundle:
        """What a deploy tree describes; nothing is asked of the host's containers.

        Raises:
            UsageError: When the description is missing or wrong.
        """
        ...

    def build(
        self,
        draft: Draft,
        services: Sequence[str],
        content: str,
        check_cancelled: Callable[[], None] | None = None,
    ) -> None:
        """Build images on this machine.

        Args:
            draft: The release that they are of.
            services: Whose images.
            content: Digest of the promoted content, which the images are labelled with.
            check_cancelled: Called in every wait; when it raises, the build ends.

        Raises:
            TowlineError: When a build fails.
        """
        ...

    def prepare(self, draft: Draft) -> dict[str, bytes]:
        """What the engine needs in the folder of a release: name -> content.

        Raises:
            CheckFailed: When others have something under the names that the release would use.
        """
        ...

    def adopt(self, guest: Guest, inside: Path, data: bytes) -> bytes:
        """A file of a release of another host as it must be on this one.

        Args:
            guest: The release there.
            inside: The file's path in the release's folder.
            data: What it holds there.
        """
        ...

    def reads(self, wanted: Release | Draft, *roles: Role) -> dict[str, list[Path]]:
        """Service of one of these roles -> what it reads, by its path in the deploy tree."""
        ...

    def reader(self, wanted: Release | Bundle | Draft, service: str) -> int | None:
        """The numeric user that a service reads its files as.

        None when it may read those of any user, or when nobody can tell.
        """
        ...

    def secret_files(self, release: Path) -> list[Path]:
        """Files of the host that the containers of a retained release are given as secrets.

        Args:
            release: The folder of the release.
        """
        ...

    def inspect(self, bundle: Bundle, secrets: Collection[str]) -> list[Finding]:
        """What is wrong with a description.

        Args:
            bundle: The description.
            secrets: Variables that are secrets too, whatever they are called.
        """
        ...

    def inspect_host(self, disk_free: int) -> list[Finding]:
        """Whether the host can run anything, and has what was placed there.

        Args:
            disk_free: Bytes that are to be free.
        """
        ...

    def inspect_room(self, bundle: Bundle, peak: Mapping[str, int]) -> list[Finding]:
        """Whether the host has room for what runs at the same time.

        Args:
            bundle: The description, which says what a container is given.
            peak: Service -> containers, at the moment when the most of it run.
        """
        ...

    def inspect_claims(self, draft: Draft) -> list[Finding]:
        """What others have of that which a release would use: names, ports."""
        ...

    def inspect_router(self, bundle: Bundle, configuration: Folder) -> list[Finding] | None:
        """Whether the router accepts its configuration; None where this host cannot tell.

        Args:
            bundle: The description.
            configuration: What the environment's host has; certificates that are not here come
                from it.
        """
        ...
