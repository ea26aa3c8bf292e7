"""The images of a Docker host."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from towline.engines.compose.ownership import is_built, own_tags, place
from towline.engines.image_store import Authentication, ImageStore
from towline.engines.observed import Image
from towline.errors import EngineRefused, NoSuchObject, UsageError
from towline.hosts.base import Host
from towline.images.layers import Layers
from towline.images.registry import CONTENT, RemoteImage, repository, split
from towline.images.shipping import Shipped, ship

if TYPE_CHECKING:
    from docker import APIClient

    from towline.images.archives import Archives


@dataclass(frozen=True)
class DockerImages:
    """What one Docker engine has; see `ImageStore`."""

    host: Host
    layers: Layers = field(default_factory=Layers, repr=False, compare=False)

    @property
    def _api(self) -> APIClient:
        return self.host.docker().api

    @cached_property
    def _archives(self) -> Archives:
        from towline.images.archives import Archives

        return Archives(self._api)

    def find(self, reference: str) -> Image | None:
        """An image by its name; None when it is not there."""
        try:
            found = self._api.inspect_image(reference)
        except NoSuchObject:
            return None
        digests = found.get("RepoDigests") or []
        own = [item for item in digests if place(item) == place(reference)]
        return Image(
            id=found["Id"],
            pinned=[*own, *digests, found["Id"]][0],
            content=(found["Config"].get("Labels") or {}).get(CONTENT, ""),
        )

    def missing(self, images: Collection[str]) -> set[str]:
        """Those of some pinned images that are not there; one question to the engine."""
        found: set[str] = set()
        for item in self._api.images():
            found |= {item["Id"], *(item.get("RepoDigests") or [])}
        return {image for image in images if "sha256:" in image} - found

    def names(self, image: str) -> list[str]:
        """The names of an image, or the one that was asked for; empty when it is not there."""
        try:
            return list(self._api.inspect_image(image).get("RepoTags") or [image])
        except NoSuchObject:
            return []

    def platform(self) -> str:
        """What images must be built for, such as `amd64`."""
        return str(self._api.version()["Arch"])

    def tag(self, image: str, reference: str) -> None:
        """Give an image one more name."""
        self._api.tag(image, repository(reference), split(reference).tag)

    def set_aside(self, reference: str) -> str:
        """Give an image of others one more name; see `ImageStore.set_aside`."""
        found = self.find(reference)
        if found is None or found.content:
            return ""
        extra = f"replaced-{found.id.removeprefix('sha256:')[:12]}"
        now = f"{repository(reference)}:{extra}"
        self.tag(reference, now)
        return f"{reference} was not built by Towline: that image is {now} now"

    def own_names(self, reference: str, tags: Collection[str]) -> list[str]:
        """What Towline calls an image that it built; see `ImageStore.own_names`."""
        try:
            found = self._api.inspect_image(reference)
        except NoSuchObject:
            return []
        labels, named = found["Config"].get("Labels"), found["RepoTags"] or []
        if named or not is_built(labels):
            return own_tags(labels, named, tags)
        return [found["Id"]]

    def remove(self, reference: str, tags: Collection[str]) -> list[str]:
        """Take these tags from an image that Towline built; see `ImageStore.remove`."""
        removed = []
        for name in self.own_names(reference, tags):
            try:
                self._api.remove_image(name)
                removed.append(name)
            except EngineRefused as error:
                if error.status not in (404, 409):  # gone, or in use
                    raise
        return removed

    def count_known(self, layers: Sequence[str]) -> int:
        """How many of an image's layers, from the lowest up, are there."""
        return self.layers.known(self._api, layers)

    def missing_layers(self, source: ImageStore, reference: str) -> dict[str, int]:
        """Layers of an image elsewhere that are not here, with their sizes in bytes."""
        return self.layers.missing(_docker(source)._api, self._api, reference)

    def expect(self, reference: str) -> None:
        """Say that one more host will `receive` an image of this machine, and say `done`."""
        self._archives.expect(reference)

    def receive(self, source: ImageStore, reference: str) -> Shipped:
        """Bring an image over from another machine, but for the layers that are here."""
        return ship(_docker(source)._archives, self.host, reference, self.layers)

    def done(self, reference: str) -> None:
        """Say that one host has an image."""
        self._archives.done(reference)

    def ask_digest(self, reference: str, auth: Authentication) -> str:
        """The digest that a registry knows an image by; empty when it does not have it."""
        from towline.images import transfer

        return transfer.digest(self.host, reference, auth)

    def pull(self, reference: str, auth: Authentication, remote_image: RemoteImage | None) -> int:
        """Fetch an image from its registry, by digest; returns the bytes that travelled."""
        from towline.images import transfer

        return transfer.pull(self.host, reference, auth, remote_image)

    def push(self, reference: str, auth: Authentication) -> tuple[int, int]:
        """Bring an image to its registry; returns how many layers went, and were there."""
        from towline.images import transfer

        return transfer.push(self.host, reference, auth)


def _docker(store: ImageStore) -> DockerImages:
    if isinstance(store, DockerImages):
        return store
    raise UsageError(
        "images travel over SSH only between Docker engines",
        remedy="use a registry: `images: registry` of the environment",
    )
