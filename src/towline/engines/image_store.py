"""What Towline asks of the images on a machine, by whatever engine keeps them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from towline.engines.observed import Image
from towline.images.registry import RemoteImage
from towline.images.shipping import Shipped

Authentication = Mapping[str, str] | None


class ImageStore(Protocol):
    """The images of one machine."""

    def find(self, reference: str) -> Image | None:
        """An image by its name; None when it is not there."""
        ...

    def missing(self, images: Collection[str]) -> set[str]:
        """Those of some pinned images that are not there."""
        ...

    def names(self, image: str) -> list[str]:
        """The names of an image, or the one that was asked for; empty when it is not there."""
        ...

    def platform(self) -> str:
        """What images must be built for, such as `amd64`."""
        ...

    def tag(self, image: str, reference: str) -> None:
        """Give an image one more name."""
        ...

    def set_aside(self, reference: str) -> str:
        """Give an image of others one more name, since ours is about to take the one it has.

        Returns:
            What is to be told; empty when nobody else has an image of that name.
        """
        ...

    def own_names(self, reference: str, tags: Collection[str]) -> list[str]:
        """What Towline calls an image that it built: names with these tags, else its id.

        Empty for images of others, and where only others call it anything.
        """
        ...

    def remove(self, reference: str, tags: Collection[str]) -> list[str]:
        """Take these tags from an image that Towline built, and remove it when no other is left.

        Images of others and tags of others stay, and so does what a container uses.

        Returns:
            The names that were taken away.
        """
        ...

    def count_known(self, layers: Sequence[str]) -> int:
        """How many of an image's layers, from the lowest up, are there."""
        ...

    def missing_layers(self, source: ImageStore, reference: str) -> dict[str, int]:
        """Layers of an image elsewhere that are not here, with their sizes in bytes."""
        ...

    def expect(self, reference: str) -> None:
        """Say that one more host will `receive` an image of this machine, and say `done`."""
        ...

    def receive(self, source: ImageStore, reference: str) -> Shipped:
        """Bring an image over from another machine, but for the layers that are here."""
        ...

    def done(self, reference: str) -> None:
        """Say that one host has an image."""
        ...

    def ask_digest(self, reference: str, auth: Authentication) -> str:
        """The digest that a registry knows an image by; empty when it does not have it."""
        ...

    def pull(self, reference: str, auth: Authentication, remote_image: RemoteImage | None) -> int:
        """Fetch an image from its registry, by digest; returns the bytes that travelled."""
        ...

    def push(self, reference: str, auth: Authentication) -> tuple[int, int]:
        """Bring an image to its registry; returns how many layers went, and were there."""
        ...
