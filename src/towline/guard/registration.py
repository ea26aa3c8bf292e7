"""Who watches an environment: a file on its lead, so that everybody sees it, from any machine.

It is no lock. A guard that was killed leaves one behind that nobody has to remove: its process is
gone, or it is not renewed any more.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from towline.environments.host_environment import HostEnvironment
from towline.guard.acting import ACTOR
from towline.process_identity import here, started
from towline.state import actor
from towline.state.actor import Actor

# Seconds after which a guard renews its file, and after how many of them it is taken for dead.
BEAT = 30.0
_MISSED = 3


@dataclass(frozen=True)
class Registration:
    """One guard.

    Attributes:
        token: Tells it from all others.
        pid: Its process, and `where` that number counts; see `process_identity`.
        started: When that process began.
        since: Since when it watches; UTC time, ISO 8601.
        log: The file it writes to on its machine; empty for one in the foreground.
    """

    token: str
    pid: int
    where: str
    started: str
    since: str
    log: str = ""
    actor: Actor = field(default_factory=Actor)

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine."""
        return bool(self.where) and self.where == here()

    @property
    def runs(self) -> bool:
        """Whether its process is there; only known of this machine."""
        return self.is_here and bool(self.started) and started(self.pid) == self.started

    def __str__(self) -> str:
        return f"{self.actor}, process {self.pid}, since {self.since[:16].replace('T', ' ')} UTC"

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {"since": self.since, "pid": self.pid, "log": self.log or None,
                "actor": self.actor.data()}  # fmt: skip


def this_guard(log: str = "") -> Registration:
    """This process, as it is registered."""
    pid = os.getpid()
    with actor.acting_as(ACTOR):
        who = actor.current()
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return Registration(uuid.uuid4().hex, pid, here(), started(pid), since, log, who)


def read_living(site: HostEnvironment) -> Registration | None:
    """The guard that watches an environment; None when none does.

    Args:
        site: The environment on its lead.
    """
    files, path = site.host.files, site.state.guard
    try:
        found, age = _read(json.loads(files.read(path))), files.age(path)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    if found.is_here:
        return found if found.runs else None
    return found if age < BEAT * _MISSED else None


def register(site: HostEnvironment, own: Registration) -> Registration | None:
    """Register a guard; returns the one that watches already, None when there is none."""
    other = read_living(site)
    if other and other.token != own.token:
        return other
    content = json.dumps({**asdict(own), "actor": own.actor.data()}).encode()
    site.host.files.write(site.state.guard, content, 0o600)
    return None


def unregister(site: HostEnvironment, own: Registration) -> None:
    """Take the note away, unless it is another guard's by now."""
    other = read_living(site)
    if other and other.token == own.token:
        site.host.files.remove(site.state.guard)


def _read(data: Mapping[str, Any]) -> Registration:
    texts = {name: str(data[name]) for name in ("token", "where", "started", "since")}
    who = actor.read(data.get("actor"))
    return Registration(**texts, pid=int(data["pid"]), log=str(data.get("log", "")), actor=who)
