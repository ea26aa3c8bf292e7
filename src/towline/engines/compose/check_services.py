"""Are the services of the Compose file fit for a deploy?"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from towline.config.services import Role
from towline.engines.compose.compose_file import ComposeFile
from towline.findings import Finding, Severity
from towline.promotion.tree import is_host_file

CHECK = "services"


def check_services(file: ComposeFile, tree: Path) -> Iterator[Finding]:
    """Roles, ports and mounts of every service."""
    wrong = [
        *_roles(file),
        *_secrets(file),
        *_restart_policies(file),
        *(item for name in file.services for item in _service(file, name, tree)),
    ]
    yield from wrong
    if not wrong:
        names = ", ".join(sorted(file.services))
        yield Finding(CHECK, Severity.OK, f"{len(file.services)} services: {names}")


def _roles(file: ComposeFile) -> Iterator[Finding]:
    if not file.named(Role.APP):
        yield Finding(
            CHECK,
            Severity.ERROR,
            "no service has role app: there is nothing to deploy",
            "give the service to replace at each release `x-towline: {role: app, port: NUMBER}`",
        )


def _restart_policies(file: ComposeFile) -> Iterator[Finding]:
    def has_policy(name: str) -> bool:
        found = file.definition(name)
        return bool(found.get("restart") or (found.get("deploy") or {}).get("restart_policy"))

    lasting = [name for name, item in file.services.items() if item.role is not Role.JOB]
    bare = sorted(name for name in lasting if not has_policy(name))
    if bare:
        yield Finding(
            CHECK,
            Severity.WARNING,
            f"no restart policy: {', '.join(bare)} will stay down after a crash or a reboot",
            "add `restart: unless-stopped` to each of them",
        )


def _secrets(file: ComposeFile) -> Iterator[Finding]:
    for kind in ("secrets", "configs"):
        for name, options in (file.model.get(kind) or {}).items():
            if options.get("environment"):
                yield Finding(
                    CHECK,
                    Severity.ERROR,
                    f"{kind}.{name} comes from a variable: no retained release could restore it",
                    "use `file: ../security/secrets/NAME`, or give the service the variable itself",
                )


def _service(file: ComposeFile, name: str, tree: Path) -> Iterator[Finding]:
    settings, definition = file.services[name], file.definition(name)
    replaced = settings.role in (Role.APP, Role.WORKER)
    if replaced and file.router:
        for port in definition.get("ports") or []:
            if port.get("published"):
                yield Finding(
                    CHECK,
                    Severity.ERROR,
                    f"{name} publishes port {port['published']}: two releases cannot share it",
                    "remove `ports` from the service; the router publishes, and reaches it inside",
                )
    if replaced and definition.get("container_name"):
        yield Finding(
            CHECK,
            Severity.WARNING,
            f"{name} has a container_name, which two releases cannot share; it is left out",
            "remove container_name",
        )
    if settings.role is Role.APP and not settings.health and not definition.get("healthcheck"):
        yield Finding(
            CHECK,
            Severity.WARNING,
            f"{name} has no health path: it counts as healthy as soon as it stays up",
            "add `health: /path` to its x-towline section",
        )
    yield from _mounts(name, definition, tree)


def _mounts(name: str, definition: dict[str, Any], tree: Path) -> Iterator[Finding]:
    for volume in definition.get("volumes") or []:
        source = Path(str(volume.get("source") or ""))
        if volume.get("type") != "bind" or not source.is_relative_to(tree):
            continue
        path = source.relative_to(tree)
        # Keys and secrets may be on the host alone; the check of host files looks there.
        is_private = is_host_file(path.as_posix()) or is_host_file((path / "x").as_posix())
        if not volume.get("read_only") and not source.is_file():
            yield _writable(name, path, str(volume.get("target")))
        elif not volume.get("read_only"):
            yield Finding(
                CHECK,
                Severity.WARNING,
                f"{name} mounts the file {path} writable: what it writes there is not kept",
                f"mount it read-only: add `:ro` after {volume.get('target')}",
            )
        elif not source.exists() and not is_private:
            yield Finding(
                CHECK,
                Severity.ERROR,
                f"{name} mounts {path}, which is not in the deploy tree",
                f"put the configuration that {name} reads there and run `inv promote`, or remove "
                "the mount",
            )


def _writable(name: str, path: Path, target: str) -> Finding:
    """The deploy tree is a release's: what a service writes there belongs to none."""
    volume = re.sub(r"[^a-zA-Z0-9_.-]", "-", path.name) or "data"
    return Finding(
        CHECK,
        Severity.ERROR,
        f"{name} may write to {path}, which is in the deploy tree: data does not belong there",
        f"for data use a named volume (`{volume}:{target}`, with `{volume}: {{}}` in the top "
        "level's `volumes`) or an absolute path of the host; for configuration add `:ro`",
        ("data that is there already stays there, below `live` in the state folder of the host",),
    )
