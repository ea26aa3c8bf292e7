"""The registries of a project: how to log in, and what each says of an image, asked once.

All hosts of an environment get the same image: a name that a registry knows becomes the digest
behind it once, for all of them. Credentials come from the variables that `registries` of
towline.yaml names, else from the `docker login` of whoever runs Towline; they reach the engines in
a header of their API and are in no argument and in no file of a host.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from towline.config.deploy_sections import Registry
from towline.errors import TowlineError, UsageError
from towline.images.registry import Credentials, RemoteImage, Unreachable, look, split

Digest = Callable[[str, Mapping[str, str] | None], str]


@dataclass
class Registries:
    """What is known of registries and their images.

    Attributes:
        settings: `registries` of towline.yaml.
        values: The environment's variables; the process's own win.
    """

    settings: Mapping[str, Registry] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    _remote_images: dict[str, RemoteImage | TowlineError | None] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def pushes(self, reference: str) -> bool:
        """Whether an image that is built here travels by its registry."""
        return split(reference).registry in self.settings

    def credentials(self, reference: str) -> Credentials | None:
        """How to log in for an image; None when nobody said.

        Raises:
            UsageError: When the variable with the password has no value.
        """
        registry = split(reference).registry
        found = self.settings.get(registry)
        if found is None:
            return _logged_in(registry)
        password = os.environ.get(found.password) or self.values.get(found.password, "")
        if not password:
            raise UsageError(
                f"{found.password}, the password for {registry}, has no value",
                remedy=f"export {found.password}=…, or see `registries` in towline.yaml",
            )
        return Credentials(found.username, password)

    def authentication(self, reference: str) -> dict[str, str] | None:
        """The credentials as the engine's API takes them; None for those of `docker login`."""
        if split(reference).registry not in self.settings:
            return None
        found = self.credentials(reference)
        return {"username": found.username, "password": found.password} if found else None

    def secrets(self) -> dict[str, str]:
        """The passwords, under names that mark them as secrets, for masking."""
        given = {item.password for item in self.settings.values()}
        found = {name: os.environ.get(name) or self.values.get(name, "") for name in given}
        return {f"{name}_PASSWORD": value for name, value in found.items()}

    def remote_image(self, reference: str, platform: str, digest: Digest) -> RemoteImage | None:
        """What the registry says of an image; asked once for all hosts.

        Args:
            reference: The image's name.
            platform: Architecture, such as `amd64`.
            digest: Asks a host's engine for the digest, where the registry cannot be reached
                from here.

        Returns:
            None when the registry does not have it.

        Raises:
            UsageError: When it does not let us in.
            TowlineError: When nobody can reach it.
        """
        key = f"{platform} {reference}"
        with self._lock:
            if key not in self._remote_images:
                # One that does not answer is not waited for again by every host.
                try:
                    self._remote_images[key] = self._asked(reference, platform, digest)
                except TowlineError as error:
                    self._remote_images[key] = error
            found = self._remote_images[key]
        if isinstance(found, TowlineError):
            raise found
        return found

    def _asked(self, reference: str, platform: str, digest: Digest) -> RemoteImage | None:
        try:
            return look(reference, self.credentials(reference), platform)
        except Unreachable:
            found = digest(reference, self.authentication(reference))
            return RemoteImage(found) if found else None

    def forget(self, reference: str) -> None:
        """What was known of an image holds no more: it was pushed."""
        with self._lock:
            for key in [key for key in self._remote_images if key.endswith(f" {reference}")]:
                del self._remote_images[key]


def _logged_in(registry: str) -> Credentials | None:
    """The operator's own `docker login`, with whatever keeps it."""
    from docker.auth import load_config
    from docker.errors import DockerException

    try:
        found = load_config().resolve_authconfig(registry) or {}
    except DockerException:
        # A helper that is not installed here must not stop what needs no login.
        return None
    if not found.get("username") or not found.get("password"):
        return None
    return Credentials(found["username"], found["password"])
