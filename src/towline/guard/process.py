"""The guard as a process of its own on this machine, which outlives the command that starts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from towline.config.loading import Project
from towline.environments.host_environment import HostEnvironment
from towline.environments.place import own_root
from towline.errors import CheckFailed, TowlineError, UsageError
from towline.guard.registration import Registration, read_living

_POLL = 0.1
# Bytes of a log above which the next guard begins a new one; the last one is retained.
_LONG = 1_000_000
_SHOWN = 12


# The variable by which a detached guard knows its log.
LOG = "TOWLINE_GUARD_LOG"


def log_path(site: HostEnvironment) -> Path:
    """The log of a detached guard: in the state folder of the environment on this machine."""
    if not site.remote:
        return site.state.root / "guard.log"
    return own_root() / site.project.settings.project / site.name / "guard.log"


def start(site: HostEnvironment, project: Project, *, limit: float = 30.0) -> Registration:
    """Start a guard that runs on when this command has ended; waits until it watches.

    Args:
        site: The environment on its lead.
        project: The project; the guard runs in its folder.
        limit: Seconds that it may take to begin.

    Raises:
        UsageError: When one watches already.
        TowlineError: When it ended at once, or did not begin in time.
    """
    refuse_second(site)
    log = _new_log(log_path(site))
    argv = [sys.executable, "-m", "towline.tasks.program", "guard.run", "--env", site.name]
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            cwd=project.root,
            env={**os.environ, LOG: str(log)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    ends = time.monotonic() + limit
    while time.monotonic() < ends:
        found = read_living(site)
        if found and found.pid == process.pid:
            return found
        if process.poll() is not None:
            raise TowlineError(
                f"the guard of {site.name} ended with exit code {process.returncode}",
                details=log.read_text(errors="replace").splitlines()[-_SHOWN:],
                remedy=f"`inv guard --env {site.name}` runs it in the foreground",
            )
        time.sleep(_POLL)
    process.terminate()
    raise TowlineError(
        f"the guard of {site.name} did not begin to watch within {limit:.0f} s",
        details=log.read_text(errors="replace").splitlines()[-_SHOWN:],
        remedy=f"`inv guard --env {site.name}` runs it in the foreground",
    )


def start_after_deploy(site: HostEnvironment, say: Callable[[str], None]) -> None:
    """Start a guard where the environment wants one, and none watches.

    The deploy is done, so whatever fails here is only told.

    Args:
        site: The environment on its lead.
        say: Told what came of it.
    """
    if not site.environment.guard.after_deploy:
        return
    env = site.name
    if site.remote:
        say(f"guard.after_deploy: {env} runs on other machines; start its guard on one of them")
        return
    try:
        if read_living(site) is None:
            found = start(site, site.project)
            say(f"a guard watches {env}: process {found.pid}, log {found.log}")
    except (OSError, TowlineError) as error:
        say(f"no guard watches {env}: {error}; `inv guard.start --env {env}` starts one")


def refuse_second(site: HostEnvironment) -> None:
    """Refuse to start a guard where one watches.

    Raises:
        UsageError: When one does.
    """
    found = read_living(site)
    if found:
        raise UsageError(
            f"a guard watches {site.name} already: {found}",
            remedy=f"`inv guard.status --env {site.name}` shows it, `inv guard.stop --env "
            f"{site.name}` stops it",
        )


def require_living(site: HostEnvironment) -> Registration:
    """The guard that watches an environment.

    Raises:
        CheckFailed: When none does.
    """
    found = read_living(site)
    if found is None:
        raise CheckFailed(
            f"no guard watches {site.name}",
            remedy=f"`inv guard.start --env {site.name}` starts one",
        )
    return found


def stop(site: HostEnvironment, *, limit: float, say: Callable[[str], None]) -> Registration:
    """Stop the guard of an environment, if it is a process of this machine.

    A rollback that it is doing is done to its end first.

    Args:
        site: The environment on its lead.
        limit: Seconds to wait for its end.
        say: Told when it takes a while.

    Raises:
        CheckFailed: When none watches.
        UsageError: When it runs on another machine, or is another user's.
        TowlineError: When it did not end in time.
    """
    found = require_living(site)
    if not found.runs:
        raise UsageError(
            f"the guard of {site.name} runs on {found.actor.host or 'another machine'}: {found}",
            remedy=f"run `inv guard.stop --env {site.name}` there",
        )
    try:
        os.kill(found.pid, signal.SIGTERM)
    except PermissionError:
        raise UsageError(
            f"the guard of {site.name} is another user's: {found}", remedy="stop it as that user"
        ) from None
    except ProcessLookupError:
        return found
    began, told = time.monotonic(), False
    while found.runs:
        took = time.monotonic() - began
        if took > limit:
            raise TowlineError(
                f"the guard of {site.name} has not ended after {limit:.0f} s: process {found.pid}",
                remedy=f"it ends once what it does is done; see {found.log or 'its output'}",
            )
        if took > 2 and not told:
            told = True
            say("waiting for it to end what it is doing")
        time.sleep(_POLL)
    return found


def _new_log(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LONG:
        path.replace(path.with_suffix(".log.1"))
    path.touch(0o600)
    return path
