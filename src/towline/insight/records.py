"""The state of an environment, as it was seen; tasks say it to people and to machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from towline.config.units import format_duration
from towline.engines.observed import Container
from towline.insight.guarding import GuardStatus
from towline.insight.retained import RetainedRelease
from towline.rollout.interrupted import step_of
from towline.rollout.since import Since
from towline.state.hold import Hold
from towline.state.journal import Pause, Unfinished
from towline.state.lock import Holder
from towline.state.releases import Release


@dataclass(frozen=True)
class HostStatus:
    """What serves on one host.

    Attributes:
        running: How many of the containers that should run do; None when nobody could ask.
        wanted: How many should; None when nobody could ask.
        served: `yes`, or why users are not served.
    """

    host: str
    release: str = ""
    slot: str = ""
    running: int | None = None
    wanted: int | None = None
    served: str = ""
    is_lead: bool = False

    def data(self) -> dict[str, Any]:
        """As plain data; `containers` is for people."""
        there = self.running is not None
        return {
            "host": self.host,
            "release": self.release,
            "slot": self.slot,
            "containers": f"{self.running} of {self.wanted} run" if there else "",
            "running": self.running,
            "wanted": self.wanted,
            "served": self.served,
            "lead": "lead" if self.is_lead else "",
        }


@dataclass(frozen=True)
class LeadStatus:
    """The state of an environment on the host that has its journal.

    Attributes:
        live: The release that serves; None when none does, or nobody here deployed it.
        unmanaged: Identifier of the unmanaged release that serves.
        traffic: Service -> slot -> percent.
        lock: Who runs an operation now.
        interrupted: What was begun and not ended, while nobody runs an operation.
        paused: The deploy that waits for a person.
        manual: What the last operation left to a person.
        journal: Why nothing can be written any more.
        guard: Who watches, and what was decided last.
    """

    project: str
    environment: str
    url: str
    live: Release | None
    unmanaged: str
    since: Since | None
    slot: str | None
    traffic: Mapping[str, Mapping[str, int]]
    containers: tuple[Container, ...]
    retained: tuple[RetainedRelease, ...]
    hold: Hold | None
    lock: Holder | None
    interrupted: Unfinished | None
    paused: Unfinished | None
    manual: str
    journal: str
    guard: GuardStatus = field(default_factory=GuardStatus)

    def data(self) -> dict[str, Any]:
        """As plain data."""
        live, left = self.live, self.interrupted
        return {
            "project": self.project,
            "environment": self.environment,
            "url": self.url,
            "live": live.version if live else None,
            "release": live.id if live else None,
            "unmanaged": self.unmanaged or None,
            "stranger": self.unmanaged or None,  # goes with 0.8.0
            "commit": live.commit if live else None,
            "since": _since(self.since),
            "slot": self.slot,
            "traffic": {name: dict(shares) for name, shares in self.traffic.items()},
            "containers": [_container(item) for item in self.containers],
            "kept": [item.data() for item in self.retained],
            "hold": str(self.hold) if self.hold else None,
            "held": self.hold.data() if self.hold else None,
            "lock": str(self.lock) if self.lock else None,
            "locked_by": self.lock.actor.data() if self.lock else None,
            "interrupted": _interrupted(left) if left else None,
            "unfinished": _unfinished(left) if left else None,
            "paused": _paused(self.paused, self.paused.pause)
            if self.paused and self.paused.pause
            else None,
            "manual": self.manual or None,
            "journal": self.journal or None,
            "guard": self.guard.data(),
        }


@dataclass(frozen=True)
class EnvironmentStatus:
    """The state of an environment on all its hosts.

    Attributes:
        first: That of the lead, in detail.
        lead: Name of the lead where the hosts are other machines; empty when nobody can tell.
        hosts: One a host where they are other machines, also for those that are away.
        versions: Every release that serves somewhere; more than one when the hosts differ.
        served: Whether users are served on every host that answers.
        problems: Why users are not served, or what else needs somebody.
    """

    first: LeadStatus
    lead: str
    hosts: tuple[HostStatus, ...]
    versions: tuple[str, ...]
    served: bool
    problems: tuple[str, ...]

    def data(self) -> dict[str, Any]:
        """As plain data."""
        return {
            **self.first.data(),
            "lead": self.lead or None,
            "hosts": [item.data() for item in self.hosts],
            "versions": list(self.versions),
            "served": self.served,
            "problems": list(self.problems),
        }


def _since(found: Since | None) -> dict[str, Any] | None:
    if found is None:
        return None
    told = format_duration(found.seconds)
    return {"at": found.at, "for": told, "seconds": found.seconds, "actor": found.actor.data()}


def _container(item: Container) -> dict[str, str]:
    return {
        "name": item.name,
        "service": item.service,
        "role": item.role,
        "slot": item.slot or "shared",
        "release": item.version,
        "state": item.state,
        "status": item.status,
    }


def _interrupted(left: Unfinished) -> str:
    return f"{left.kind} {left.release} at step {step_of(left)}, {left.at}"


def _unfinished(left: Unfinished) -> dict[str, str]:
    return {"kind": left.kind, "release": left.release, "step": step_of(left), "at": left.at}


def _paused(left: Unfinished, pause: Pause) -> dict[str, Any]:
    return {
        "release": left.release,
        "before": left.before,
        "strategy": left.strategy,
        "step": pause.step,
        "share": pause.share,
        "at": pause.at,
        "actor": pause.actor.data(),
        "reason": pause.reason or None,
        "verdict": pause.verdict,
        "waits_for": "deploy.promote",
    }
