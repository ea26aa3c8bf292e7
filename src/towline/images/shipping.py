"""Bring images from one engine to another without a registry: only the layers that are missing.

`docker load` does not open the file of a layer that the engine has (its chain id is known), so
an archive of `docker save` may leave those files out. Source: moby, `image/tarexport/load.go`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from towline.errors import EngineDiskFull, NoSuchObject, UsageError
from towline.hosts.base import Host
from towline.hosts.engine_client import refused
from towline.images.archives import Archives
from towline.images.layers import Layers

if TYPE_CHECKING:
    from docker import APIClient


@dataclass(frozen=True)
class Shipped:
    """What travelled.

    Attributes:
        layers: How many layers.
        sent: Bytes.
    """

    layers: int = 0
    sent: int = 0


def ship(archives: Archives, host: Host, reference: str, there: Layers) -> Shipped:
    """Bring an image over; nothing is sent when it is there already.

    Args:
        archives: The images of the engine that has it, which expect it.
        host: The host whose engine is to have it.
        reference: Name of the image.
        there: The layers that it has.

    Raises:
        UsageError: When it is built for another kind of machine.
        EngineRefused: When an engine refuses.
    """
    target: APIClient = host.docker().api
    image = archives.source.inspect_image(reference)
    layers = list(image["RootFS"].get("Layers") or [])
    _refuse_other_machine(reference, image, target.info())
    known = there.known(target, layers)
    if known == len(layers) and _same(target, reference, image["Id"]):
        return Shipped()
    thin = archives.get(reference).without(known)
    # The answer is a stream of messages; a refusal is one of them.
    for message in target.load_image(thin.chunks()):
        if "error" in message:
            if isinstance(why := refused(host.name, message["error"]), EngineDiskFull):
                raise why
            raise UsageError(
                f"{reference} cannot be loaded: {message['error']}",
                remedy="use a registry: name the image with its address",
            )
    return Shipped(len(layers) - thin.left_out, thin.size)


def _same(target: APIClient, reference: str, image: str) -> bool:
    try:
        return bool(target.inspect_image(reference)["Id"] == image)
    except NoSuchObject:
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
