"""Images from and to registries, by the engine's API: credentials travel in a header of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from towline.errors import (
    EngineDiskFull,
    EngineRefused,
    EngineUnreachable,
    TowlineError,
    UsageError,
)
from towline.hosts.base import Host
from towline.hosts.engine_client import refused
from towline.images.registry import RemoteImage, denied, repository, split

if TYPE_CHECKING:
    from docker import APIClient

Authentication = Mapping[str, str] | None

_ASKED = 15.0
_MINUTES = 30
_NO_ENTRY = re.compile(r"unauthorized|authentication required|access denied|denied:|no basic auth")
_UNKNOWN = re.compile(r"manifest unknown|not found|no such manifest|name unknown", re.IGNORECASE)


def digest(host: Host, reference: str, auth: Authentication) -> str:
    """The digest that a registry knows an image by, asked by a host's engine.

    Returns:
        `sha256:…`; empty when the registry does not have it.

    Raises:
        UsageError: When the registry does not let us in.
        TowlineError: When the host cannot reach it.
    """
    from docker.auth import encode_header, get_config_header, resolve_repository_name

    api = host.docker().api
    registry = resolve_repository_name(reference)[0]
    given = encode_header(auth) if auth else get_config_header(api, registry)
    url = f"{api.base_url}/v{api.api_version}/distribution/{reference}/json"
    headers = {"X-Registry-Auth": given} if given else {}
    try:
        # Not by the SDK's own call: an engine waits longer for a registry than people do.
        answer = api.get(url, headers=headers, timeout=_ASKED)
        said = answer.json()
    except (EngineUnreachable, ValueError) as error:
        raise _explained(host, reference, str(error.__cause__ or error), auth) from None
    if answer.ok:
        return str(said["Descriptor"]["digest"])
    if _UNKNOWN.search(said["message"]):
        return ""
    raise _explained(host, reference, said["message"], auth)


def pull(host: Host, reference: str, auth: Authentication, remote_image: RemoteImage | None) -> int:
    """Let a host pull an image.

    Args:
        host: Where to.
        reference: The image, by digest.
        auth: Credentials; None for those that `docker login` keeps here, else on the host.
        remote_image: What the registry said of the image.

    Returns:
        Bytes that travelled, as far as the registry told the sizes of the layers.

    Raises:
        UsageError: When the registry does not let us in.
        TowlineError: When the host cannot reach the registry, or the image is not there.
    """
    sizes = {layer.blob.removeprefix("sha256:")[:12]: layer.size for layer in _layers(remote_image)}
    fetched: dict[str, int] = {}
    try:
        for message in _messages(lambda api: api.pull(
            repository(reference), tag=reference.partition("@")[2] or None,
            auth_config=auth, stream=True, decode=True,
        ), host):  # fmt: skip
            name = message.get("id", "")
            if message.get("status") == "Download complete":
                fetched[name] = sizes.get(name, fetched.get(name, 0))
            elif message.get("status") == "Downloading":
                fetched[name] = message.get("progressDetail", {}).get("total", 0)
    except _Refused as error:
        # A host may have a login of its own.
        if auth or not _NO_ENTRY.search(str(error)) or not _by_itself(host, reference):
            raise _explained(host, reference, str(error), auth) from None
    return sum(fetched.values())


def push(host: Host, reference: str, auth: Authentication) -> tuple[int, int]:
    """Let an engine push an image.

    Returns:
        How many layers were pushed, and how many were there.

    Raises:
        UsageError: When the registry does not let us in.
        TowlineError: When it cannot be reached, or refuses.
    """
    pushed, there = set(), set()
    try:
        for message in _messages(
            lambda api: api.push(reference, auth_config=auth, stream=True, decode=True), host
        ):
            status = message.get("status", "")
            if status == "Pushed" or status.startswith("Mounted"):
                pushed.add(message["id"])
            elif status == "Layer already exists":
                there.add(message["id"])
    except _Refused as error:
        raise _explained(host, reference, str(error), auth) from None
    return len(pushed), len(there)


class _Refused(Exception):
    """An engine's own words."""


def _messages(ask: Callable[[APIClient], Any], host: Host) -> Iterator[dict[str, Any]]:
    try:
        for message in ask(host.docker().api):
            if "error" in message:
                raise _Refused(message["error"])
            yield message
    except EngineRefused as error:
        raise _Refused(error.explanation) from None


def _by_itself(host: Host, reference: str) -> bool:
    return host.run(["docker", "pull", "--quiet", reference], timeout=_MINUTES * 60).ok


def _layers(remote_image: RemoteImage | None) -> tuple[Any, ...]:
    return remote_image.layers if remote_image else ()


def _explained(host: Host, reference: str, said: str, auth: Authentication) -> TowlineError:
    registry = split(reference).registry
    # An engine has no codes for what a registry said: its words are all there is.
    if isinstance(full := refused(host.name, said), EngineDiskFull):
        return full
    if _NO_ENTRY.search(said):
        closed: UsageError = denied(registry, known=auth is not None)
        return closed
    if _UNKNOWN.search(said):
        return TowlineError(
            f"{registry} has no image {reference}", remedy="check its name, or push it"
        )
    return TowlineError(
        f"{host.name} cannot reach the registry {registry}: {said.strip().splitlines()[-1]}",
        remedy="see whether the registry is up; nothing needs it with `images: ssh` of the "
        "environment",
    )
