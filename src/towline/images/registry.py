"""What a registry says of an image, before anything is pulled: digest, layers, labels.

Sources: the OCI distribution specification (https://github.com/opencontainers/distribution-spec),
the OCI image specification, and Docker's token authentication
(https://distribution.github.io/distribution/spec/auth/token/).
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from towline.errors import TowlineError, UsageError

if TYPE_CHECKING:
    from httpx import Client, Response

_SECONDS, _CONNECT_SECONDS = 10.0, 5.0
_ACCEPT = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_HUB, _HUB_API = "docker.io", "registry-1.docker.io"


class Unreachable(TowlineError):
    """The registry cannot be asked from here; the hosts may reach it all the same."""


@dataclass(frozen=True)
class Credentials:
    """How to log in to a registry; neither shows in a printed object."""

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Reference:
    """The parts of an image's name, as in `ghcr.io/acme/shop:1.4.2`.

    Attributes:
        registry: `HOST` or `HOST:PORT`; `docker.io` when the name has none.
        path: `acme/shop`; Docker Hub's own images are below `library/`.
        tag: Tag or digest.
    """

    registry: str
    path: str
    tag: str


@dataclass(frozen=True)
class Layer:
    """A layer of an image: its diff id, the digest of what travels, and how many bytes that is."""

    diff: str
    blob: str
    size: int


@dataclass(frozen=True)
class RemoteImage:
    """An image as its registry lists it.

    Attributes:
        digest: What names this very image, `sha256:…`; of the index where there is one.
        layers: From the lowest up.
        labels: Its labels.
    """

    digest: str
    layers: tuple[Layer, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


# Label of an image: the digest of the promoted content that it was built from.
CONTENT = "towline.content"


def split(reference: str) -> Reference:
    """The parts of an image's name."""
    name, _, digest = reference.partition("@")
    first, slash, rest = name.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    registry, path = (first, rest) if is_host else (_HUB, name)
    path, _, tag = path.partition(":")
    if registry in (_HUB, "index.docker.io"):
        registry = _HUB
        path = path if "/" in path else f"library/{path}"
    return Reference(registry, path, digest or tag or "latest")


def repository(reference: str) -> str:
    """An image's name without tag and digest."""
    name = reference.partition("@")[0]
    start, slash, last = name.rpartition("/")
    return f"{start}{slash}{last.partition(':')[0]}"


def look(reference: str, credentials: Credentials | None, platform: str) -> RemoteImage | None:
    """Ask a registry for an image.

    Args:
        reference: The image's name.
        credentials: How to log in; None without.
        platform: Architecture that the image is wanted for, such as `amd64`.

    Returns:
        What is known of it; None when the registry has no such image.

    Raises:
        Unreachable: When the registry does not answer, or not as a registry does.
        UsageError: When it does not accept the credentials, or has none for this machine.
    """
    import httpx

    parts = split(reference)
    host = _HUB_API if parts.registry == _HUB else parts.registry
    base = f"{_scheme(host)}://{host}/v2/{parts.path}"
    try:
        timeout = httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS)
        with httpx.Client(timeout=timeout, follow_redirects=True) as client:
            return _Asking(client, base, parts, credentials).remote_image(parts.tag, platform)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise Unreachable(
            f"the registry {parts.registry} does not answer: {error or type(error).__name__}"
        ) from None


@dataclass
class _Asking:
    client: Client
    base: str
    parts: Reference
    credentials: Credentials | None
    authorization: str = ""

    def remote_image(self, tag: str, platform: str) -> RemoteImage | None:
        found = self._get(f"manifests/{tag}")
        if found is None:
            return None
        digest = found.headers.get("docker-content-digest") or _digest(found.content)
        manifest = found.json()
        if "manifests" in manifest:
            manifest = self._json(f"manifests/{self._for(manifest, platform)}")
        config = self._json(f"blobs/{manifest['config']['digest']}")
        diffs = config.get("rootfs", {}).get("diff_ids", [])
        labels = config.get("config", {}).get("Labels") or {}
        layers = tuple(
            Layer(diff, layer["digest"], int(layer["size"]))
            for diff, layer in zip(diffs, manifest["layers"], strict=False)
        )
        return RemoteImage(digest, layers, labels)

    def _for(self, index: Mapping[str, Any], platform: str) -> str:
        platforms = [item.get("platform", {}) for item in index["manifests"]]
        for item, described in zip(index["manifests"], platforms, strict=True):
            if described.get("os") == "linux" and described.get("architecture") == platform:
                return str(item["digest"])
        there = sorted({item.get("architecture", "") for item in platforms} - {"", "unknown"})
        raise UsageError(
            f"{self.parts.registry}/{self.parts.path}:{self.parts.tag} is not built for {platform}",
            remedy=f"it is built for {', '.join(there)}",
        )

    def _json(self, path: str) -> Any:
        found = self._get(path)
        if found is None:
            raise ValueError(f"it has no {path}")
        return found.json()

    def _get(self, path: str) -> Response | None:
        answer = self._ask(path)
        if answer.status_code == 401 and not self.authorization:
            self.authorization = self._log_in(answer.headers.get("www-authenticate", ""))
            answer = self._ask(path)
        if answer.status_code in (401, 403):
            raise denied(self.parts.registry, known=self.credentials is not None)
        if answer.status_code == 404:
            return None
        answer.raise_for_status()
        return answer

    def _ask(self, path: str) -> Response:
        headers = {"Accept": ", ".join(_ACCEPT)}
        if self.authorization:
            headers["Authorization"] = self.authorization
        return self.client.get(f"{self.base}/{path}", headers=headers)

    def _log_in(self, challenge: str) -> str:
        """What the challenge of a registry asks for: basic authentication, or a token."""
        given = self.credentials
        basic = f"Basic {_base64(given)}" if given else ""
        kind = challenge.partition(" ")[0].lower()
        if kind != "bearer":
            return basic
        wanted = dict(_CHALLENGE.findall(challenge))
        realm = wanted.pop("realm")
        if self.base.startswith("https:") and not realm.startswith("https:"):
            raise ValueError(f"it sends credentials in the clear, to {realm}")
        wanted["scope"] = f"repository:{self.parts.path}:pull"
        headers = {"Authorization": basic} if basic else {}
        answer = self.client.get(realm, params=wanted, headers=headers)
        if answer.status_code in (401, 403):
            raise denied(self.parts.registry, known=given is not None)
        said = answer.raise_for_status().json()
        return f"Bearer {said.get('token') or said['access_token']}"


def denied(registry: str, *, known: bool) -> UsageError:
    """What to say when a registry lets us not in."""
    if known:
        return UsageError(
            f"the registry {registry} does not accept the credentials",
            remedy=f"see `registries` in towline.yaml, or log in again: docker login {registry}",
        )
    return UsageError(
        f"the registry {registry} asks for credentials",
        remedy=f"name them under `registries` in towline.yaml, or log in: docker login {registry}",
    )


def _base64(given: Credentials) -> str:
    return base64.b64encode(f"{given.username}:{given.password}".encode()).decode()


def _scheme(host: str) -> str:
    """Engines speak http with a registry on a loopback address, and with no other by themselves."""
    name = host.rpartition(":")[0] or host
    try:
        is_loopback = name == "localhost" or ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        is_loopback = False
    return "http" if is_loopback else "https"


def _digest(content: bytes) -> str:
    json.loads(content)
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
