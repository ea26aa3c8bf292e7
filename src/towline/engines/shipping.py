"""Bring images from one engine to another without a registry: only the layers that are missing.

`docker load` does not open the file of a layer that the engine has (its chain id is known), so
an archive of `docker save` may leave those files out. Source: moby, `image/tarexport/load.go`;
the archive's format: `image/spec/spec.md` of the same repository.
"""

from __future__ import annotations

import json
import tarfile
import tempfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from towline.config.units import format_size
from towline.engines.layers import Layers
from towline.errors import UsageError

if TYPE_CHECKING:
    from docker import APIClient

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Shipped:
    """What travelled.

    Attributes:
        layers: Layers that were sent.
        known: Layers that were there already.
        sent: Bytes.
    """

    layers: int
    known: int
    sent: int

    def __str__(self) -> str:
        return f"{self.layers} of {self.layers + self.known} layers, {format_size(self.sent)}"


def ship(source: APIClient, target: APIClient, reference: str, there: Layers) -> Shipped:
    """Bring an image over; nothing is sent when it is there already.

    Args:
        source: The engine that has it.
        target: The engine that is to have it.
        reference: Name of the image.
        there: The layers that the target has.

    Raises:
        UsageError: When it is built for another kind of machine.
        docker.errors.APIError: When an engine refuses.
    """
    image = source.inspect_image(reference)
    layers = list(image["RootFS"].get("Layers") or [])
    _refuse_other_machine(reference, image, target.info())
    known = there.known(target, layers)
    if known == len(layers) and _same(target, reference, image["Id"]):
        return Shipped(0, known, 0)
    with tempfile.TemporaryFile() as spool:
        for chunk in source.get_image(reference, _CHUNK):
            spool.write(chunk)
        spool.seek(0)
        with tempfile.TemporaryFile() as thin:
            left_out = without_layers(spool, thin, known)
            sent = thin.tell()
            thin.seek(0)
            # The answer is a stream of messages; a refusal is one of them.
            for message in target.load_image(thin):
                if "error" in message:
                    raise UsageError(
                        f"{reference} cannot be loaded: {message['error']}",
                        remedy="use a registry: name the image with its address",
                    )
    return Shipped(len(layers) - left_out, left_out, sent)


def without_layers(archive: IO[bytes], target: IO[bytes], count: int) -> int:
    """Copy an archive of `docker save` without the files of its lowest layers.

    Returns:
        How many were left out.
    """
    with tarfile.open(fileobj=archive, mode="r:") as full:
        text = full.extractfile("manifest.json")
        assert text is not None  # noqa: S101 - every archive of docker save has it
        images = json.load(text)
        paths = [path for image in images for path in image["Layers"][:count]]
        wanted = {path for image in images for path in image["Layers"][count:]}
        members = full.getmembers()
        # In older archives, a layer that occurs twice is a link to its first place.
        linked = {_target(item) for item in members if item.issym() and item.name in wanted}
        skipped = set(paths) - wanted - linked
        with tarfile.open(fileobj=target, mode="w|") as thin:
            for item in members:
                if item.name not in skipped:
                    thin.addfile(item, full.extractfile(item) if item.isreg() else None)
    return len(skipped)


def _target(link: tarfile.TarInfo) -> str:
    folder = link.name.rpartition("/")[0].split("/")
    for word in link.linkname.split("/"):
        folder = folder[:-1] if word == ".." else [*folder, word]
    return "/".join(folder)


def _same(target: APIClient, reference: str, image: str) -> bool:
    from docker.errors import ImageNotFound

    try:
        return bool(target.inspect_image(reference)["Id"] == image)
    except ImageNotFound:
        return False


def _refuse_other_machine(reference: str, image: Any, info: Any) -> None:
    kinds = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
    there = kinds.get(info["Architecture"], info["Architecture"])
    here = image.get("Architecture", there)
    if here != there:
        raise UsageError(
            f"{reference} is built for {here}, and {info['Name']} is {there}",
            remedy=f"build for it: `platform: linux/{there}` at the service in the compose file",
        )
