"""Does nginx accept the deploy tree's configuration? Asked before anything is changed.

A container of the router's image gets the files that the router would mount, and `nginx -t`
instead of its command. It has no network, no volume of anybody and no label of an environment, and
it is removed when it has answered.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline.config.redaction import KNOWN
from towline.config.services import Role
from towline.engines.compose.compose_file import ComposeFile
from towline.engines.observed import SLOTS
from towline.errors import EngineRefused, TowlineError
from towline.findings import Finding, Severity
from towline.hosts import full_disk
from towline.hosts.base import Folder, Host
from towline.hosts.reading import walk
from towline.promotion.tree import is_host_file
from towline.routing import nginx
from towline.routing.nginx import Backend, Routes

if TYPE_CHECKING:
    from docker import APIClient

CHECK = "router"
_SECONDS = 30
# More than configuration: pages that the router serves itself.
_LARGEST = 5_000_000
_EMERGENCY = re.compile(r"\[emerg\] (?:\d+#\d+: )?(?P<why>.*)")
# True of the container that asks, and perhaps not of the router.
_ELSEWHERE = re.compile(r"host not found|Permission denied|bind\(\)", re.I)


def check_router(host: Host, file: ComposeFile, routes: Path, live: Folder) -> list[Finding] | None:
    """What `nginx -t` says on a host; None where that has no image of the router.

    Args:
        host: Where to ask.
        file: The resolved Compose file; one without a router needs no answer.
        routes: What the file mounts as the folder of routes.
        live: What the environment's host has; certificates that are not here come from it.
    """
    name = file.router
    if name is None:
        return []
    definition = file.definition(name)
    if not _has(host, file.images[name]):
        return None
    archive = _Archive(file.tree, str(definition.get("user") or ""))
    for mount in file.mounts[name]:
        source, target = mount.source, mount.target
        if source == routes:
            archive.add(f"{target}/{nginx.ROUTES_FILE}", _routes(file).encode())
        elif source.is_relative_to(file.tree):
            archive.add_path(source, target)
            archive.add_private(live, source, target)
    code, said = _asked(host.docker().api, definition, file, archive)
    found = [match["why"] for line in said if (match := _EMERGENCY.search(line))]
    if code == 0:
        return [_ok(f"nginx accepts {name}'s configuration")]
    if line := full_disk.line("\n".join(said)):
        full = full_disk.full(host.name, KNOWN.redact(found[0] if found else line))
        return [Finding(CHECK, Severity.ERROR, full.message, full.remedy)]
    if not found or _ELSEWHERE.search(found[0]):
        why = found[0] if found else f"exit code {code}"
        return [_ok(f"{name}'s configuration is tested by the deploy: {KNOWN.redact(why)}")]
    return [
        Finding(
            CHECK,
            Severity.ERROR,
            f"nginx refuses {name}'s configuration: {archive.named(found[0])}",
            "fix the file in the deploy tree, then `inv promote`",
        )
    ]


def _ok(message: str) -> Finding:
    return Finding(CHECK, Severity.OK, message)


def _has(host: Host, image: str) -> bool:
    try:
        host.docker().api.inspect_image(image)
    except EngineRefused:
        return False
    return True


def _routes(file: ComposeFile) -> str:
    backends = {
        name: Backend(file.services[name].port or 0, {SLOTS[0]: 100})
        for name in file.named(Role.APP)
    }
    return nginx.render(Routes("check", backends))


def _asked(
    api: APIClient, definition: Mapping[str, Any], file: ComposeFile, archive: _Archive
) -> tuple[int, list[str]]:
    """Exit code and lines of `nginx -t` in a container of its own."""
    names = [*file.services, *(f"{name}-{slot}" for name in file.services for slot in SLOTS)]
    made = api.create_container(
        definition["image"],
        command=_command(definition),
        user=str(definition.get("user") or "") or None,
        environment={k: v or "" for k, v in (definition.get("environment") or {}).items()},
        labels={"towline.check": "router"},
        host_config=api.create_host_config(
            network_mode="none",
            # The names that it will find in its network.
            extra_hosts=dict.fromkeys(names, "127.0.0.1"),
        ),
    )
    try:
        api.put_archive(made["Id"], "/", archive.data())
        api.start(made["Id"])
        code = int(api.wait(made["Id"], timeout=_SECONDS)["StatusCode"])
        said = api.logs(made["Id"]).decode("utf-8", "replace").splitlines()
    except EngineRefused as error:
        return -1, [error.explanation]
    finally:
        with suppress(EngineRefused):
            api.remove_container(made["Id"], force=True, v=True)
    return code, said


def _command(definition: Mapping[str, Any]) -> list[str]:
    given = definition.get("command")
    words = given.split() if isinstance(given, str) else [str(word) for word in given or []]
    return [*words, "-t"] if words[:1] == ["nginx"] else ["nginx", "-t"]


@dataclass
class _Archive:
    """The files of the deploy tree, where the container has them."""

    tree: Path
    user: str
    _files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    _places: dict[str, str] = field(default_factory=dict)

    def add(self, target: str, data: bytes, mode: int = 0o644) -> None:
        """Put a file into the container."""
        self._files[target] = (data, mode)

    def add_path(self, source: Path, target: str) -> None:
        """Put a file or a folder of the deploy tree into the container."""
        self._places[target] = str(source.relative_to(self.tree))
        files = [source] if source.is_file() else sorted(source.rglob("*"))
        for file in files:
            if file.is_file() and file.stat().st_size <= _LARGEST:
                inside = "" if file == source else f"/{file.relative_to(source)}"
                self.add(f"{target}{inside}", file.read_bytes(), file.stat().st_mode & 0o777)

    def add_private(self, live: Folder, source: Path, target: str) -> None:
        """Put the certificates and keys there that only the host has, as after a fresh clone."""
        mounted = source.relative_to(self.tree)
        with suppress(TowlineError):  # another check names the link that a container planted
            for path in walk(live, mounted):
                if is_host_file(path.as_posix()) and not (self.tree / path).exists():
                    inside = "" if path == mounted else f"/{path.relative_to(mounted)}"
                    self.add(f"{target}{inside}", live.read(path), 0o600)

    def data(self) -> bytes:
        """All of it, as the engine takes it."""
        user = self.user.partition(":")[0]
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for target, (data, mode) in self._files.items():
                info = tarfile.TarInfo(target.lstrip("/"))
                info.size, info.mode = len(data), mode
                # Whoever the router runs as can read its files.
                info.uid = info.gid = int(user) if user.isdigit() else 0
                tar.addfile(info, io.BytesIO(data))
        return buffer.getvalue()

    def named(self, message: str) -> str:
        """A message of nginx with the paths of the deploy tree in place of the container's."""
        for target, source in sorted(self._places.items(), key=lambda pair: -len(pair[0])):
            message = message.replace(target, source)
        return message
