"""A host that asks before it is changed: whether whoever acts on it may still do so.

What only looks is listed here, for each thing that can act; whatever is not listed asks first, so a
new method is guarded before anybody thinks of it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from towline.hosts.base import Files, Folder, Host, Result

if TYPE_CHECKING:
    from docker import DockerClient

T = TypeVar("T")
Ask = Callable[[], None]

FILES_LOOK = frozenset(
    {"read", "names", "exists", "age", "is_dir", "free_bytes", "stat", "mode", "is_link"}
)
FOLDER_LOOKS = frozenset({"root", "entry", "read", "names"})
ENGINE_API_LOOKS = frozenset(
    {
        "containers", "images", "networks", "volumes", "inspect_container", "inspect_image",
        "inspect_network", "inspect_volume", "exec_inspect", "logs", "top", "version", "info",
        "ping", "events", "history", "wait", "stats",
    }
)  # fmt: skip


class _Guarded:
    """Passes everything on; what does not only look asks first."""

    def __init__(self, target: Any, looks: frozenset[str], ask: Ask) -> None:
        self._target, self._looks, self._ask = target, looks, ask

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name in self._looks or not callable(found):
            return found

        def act(*arguments: Any, **named: Any) -> Any:
            self._ask()
            return found(*arguments, **named)

        return act


class _GuardedFiles(_Guarded):
    """Files whose folders ask as well."""

    def folder(self, root: Path) -> Folder:
        folder: Folder = self._target.folder(root)
        return guarded(folder, FOLDER_LOOKS, self._ask)


class _GuardedClient:
    def __init__(self, client: DockerClient, ask: Ask) -> None:
        self._client = client
        self.api = _Guarded(client.api, ENGINE_API_LOOKS, ask)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class _GuardedHost:
    def __init__(self, host: Host, ask: Ask) -> None:
        self._host, self._ask = host, ask
        self.files = guarded_files(host.files, ask)

    def run(self, *arguments: Any, **named: Any) -> Result:
        # A command may do anything.
        self._ask()
        return self._host.run(*arguments, **named)

    def docker(self) -> DockerClient:
        return cast("DockerClient", _GuardedClient(self._host.docker(), self._ask))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)


def guarded(target: T, looks: frozenset[str], ask: Ask) -> T:
    """The same thing, which asks before it acts.

    Args:
        target: What acts.
        looks: Names of its methods that change nothing.
        ask: Raises when nothing may be changed any more.
    """
    return cast("T", _Guarded(target, looks, ask))


def guarded_files(files: Files, ask: Ask) -> Files:
    """The files of a host, which ask before each change."""
    return cast("Files", _GuardedFiles(files, FILES_LOOK, ask))


def guarded_host(host: Host, ask: Ask) -> Host:
    """A host that asks before each command, each change of a file and each act of its engine."""
    return cast("Host", _GuardedHost(host, ask))
