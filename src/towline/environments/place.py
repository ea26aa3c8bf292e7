"""Where the state of an environment lies on a host: one folder, whoever logs in."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from towline.engines.base import Engine
from towline.environments.host_environment import HostEnvironment
from towline.errors import Locked, TowlineError, UsageError
from towline.hosts.base import Files, Host
from towline.state.releases import StateFolder

H = TypeVar("H", bound=Host)


def find(
    engine: Engine,
    environment: str,
    default: Path,
    *,
    configured: bool,
    only_look: bool = False,
) -> StateFolder:
    """The state folder that counts on a host.

    Args:
        engine: What runs the environment's containers on the host.
        environment: Name of the environment.
        default: The folder that this user would take for a new environment.
        configured: Whether somebody chose it, by `TOWLINE_STATE` or `environments.ENV.state`.
        only_look: Whether nothing will be changed; then what is configured is looked at.

    Raises:
        UsageError: When another folder counts, and this user may not or does not want to use it.
    """
    host, there = engine.host, _registered(engine)
    if there is None or there == default or _is_gone(host.files, there):
        return StateFolder(default)
    if configured and only_look:
        return StateFolder(default)
    where = f"{environment} on {host.name} has its state in {there}"
    if configured:
        raise UsageError(
            f"{where}, and {default} is configured",
            remedy=f"let TOWLINE_STATE (or environments.{environment}.state) name that folder; to "
            f"begin anew, `inv down --env {environment}` with it, and remove it",
        )
    if not _is_writable(host.files, there):
        raise UsageError(
            f"{where}, where this user may not write",
            remedy=f"log in as the owner of {there}, or as root",
        )
    return StateFolder(there)


def own_root() -> Path:
    """Where this user's environments on this machine have their state: PROJECT/ENV below it."""
    if os.environ.get("TOWLINE_STATE"):
        return Path(os.environ["TOWLINE_STATE"]).expanduser().resolve()
    if os.geteuid() == 0:
        return Path("/var/lib/towline")
    data = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(data).expanduser() / "towline"


def leave_to_owner(host: H, state: StateFolder) -> H:
    """Root who works in another user's state folder leaves files of that user's there.

    Else that user could not write there again. Whoever deploys is a user of the engine, and so
    can do all that root can: nothing is given away by it.
    """
    if host.user_id() == 0:
        entry = host.files.folder(state.root).entry(Path())
        if entry and entry.owner:
            return host.owned_by(entry.owner)
    return host


def claim(site: HostEnvironment) -> None:
    """Make sure that a state folder counts, before anything is changed.

    Raises:
        Locked: When somebody else began to deploy with another folder meanwhile.
    """
    own, engine = site.state.root, site.engine
    there = engine.register()
    if there != own and _is_gone(site.host.files, there):
        engine.unregister()
        there = engine.register()
    if there != own:
        raise Locked(
            f"someone else deploys {site.name} on {site.host.name}, with the state folder {there}",
            remedy="run the command again: it uses that folder, if this user may",
        )


def _registered(engine: Engine) -> Path | None:
    # Where no engine answers, whatever needs one says so itself.
    with suppress(TowlineError, OSError):
        return engine.registered()
    return None


def _is_gone(files: Files, folder: Path) -> bool:
    try:
        return not files.exists(folder)
    except PermissionError:
        return False


def _is_writable(files: Files, folder: Path) -> bool:
    probe = folder / f".probe-{uuid.uuid4().hex[:8]}"
    try:
        files.write(probe, b"", 0o600)
        files.remove(probe)
    except OSError:
        return False
    return True
