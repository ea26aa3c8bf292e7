"""Is a host fit for deploys? One answer of the host, many findings."""

from __future__ import annotations

from collections.abc import Iterator

from towline.config.units import format_size
from towline.findings import Finding, Severity
from towline.hosts.capacity import Capacity, Space, judge_space, judge_versions
from towline.provision import daemon
from towline.provision.facts import UNREADABLE, Facts
from towline.provision.record import STATE
from towline.provision.systems import SUPPORTED, find

_MEMORY = 900_000_000
_SKEW_SECONDS = 5.0


def examine(facts: Facts, environment: str, disk_free: int) -> list[Finding]:
    """What is to be said of a host.

    Args:
        facts: What it answered.
        environment: For the remedies.
        disk_free: Bytes wanted where images and state live.
    """
    prepare = f"`inv provision --env {environment}` does that"
    return [
        *_system(facts),
        *_engine(facts, prepare),
        *_state(facts, prepare),
        *_room(facts, disk_free),
        *_logs(facts, prepare),
        *_upkeep(facts),
    ]


def _system(facts: Facts) -> Iterator[Finding]:
    if find(facts.identity, facts.version):
        yield Finding("system", Severity.OK, f"{facts.system}, as {facts.host.user}")
    else:
        yield Finding(
            "system",
            Severity.WARNING,
            f"{facts.system or 'an unknown system'} is not one that Towline prepares",
            f"it prepares {SUPPORTED}; what it needs is checked all the same",
        )


def _engine(facts: Facts, prepare: str) -> Iterator[Finding]:
    if not facts.host.docker:
        yield Finding("engine", Severity.ERROR, "Docker is not installed", prepare)
        return
    if facts.engine.version and not facts.own.version:
        yield Finding(
            "engine",
            Severity.ERROR,
            f"{facts.host.user} may not use the engine: {facts.own.error}",
            f"put the user into the group docker ({prepare}), or set `sudo: true` for the "
            "environment",
        )
    elif not facts.own.version:
        yield Finding("engine", Severity.ERROR, f"no engine answers: {facts.engine.error}", prepare)
    yield from judge_versions(Capacity(facts.own.version, facts.host.compose), prepare)
    if facts.init == "systemd" and not facts.enabled:
        yield Finding(
            "engine", Severity.WARNING, "the engine does not start with the host", prepare
        )


def _state(facts: Facts, prepare: str) -> Iterator[Finding]:
    if facts.host.has_state:
        yield Finding("state", Severity.OK, f"{facts.host.user} may write {STATE}")
    else:
        yield Finding(
            "state",
            Severity.WARNING,
            f"{facts.host.user} may not write {STATE}; state goes to its home folder",
            prepare,
        )


def _room(facts: Facts, wanted: int) -> Iterator[Finding]:
    spaces = [Space("images", facts.disk_images), Space("state", facts.disk_state)]
    yield from judge_space(Capacity(spaces=spaces), wanted)
    low = facts.memory < _MEMORY
    yield Finding(
        "memory",
        Severity.WARNING if low else Severity.OK,
        f"{format_size(facts.memory)} of memory",
        "two releases run side by side for a while: see that both fit" if low else "",
    )


def _logs(facts: Facts, prepare: str) -> Iterator[Finding]:
    if facts.daemon == UNREADABLE:
        yield Finding("logs", Severity.WARNING, f"{daemon.PATH} cannot be read", "look at it there")
    elif daemon.rotates(facts.daemon):
        yield Finding("logs", Severity.OK, "the logs of containers are rotated, or kept elsewhere")
    else:
        yield Finding(
            "logs",
            Severity.WARNING,
            "the logs of containers grow until the disk is full",
            prepare,
        )


def _upkeep(facts: Facts) -> Iterator[Finding]:
    if abs(facts.skew) > _SKEW_SECONDS:
        yield Finding(
            "clock",
            Severity.ERROR,
            f"its clock is {abs(facts.skew):.0f} s {'ahead' if facts.skew > 0 else 'behind'}",
            "install chrony or systemd-timesyncd: leases and certificates go by the clock",
        )
    elif facts.synchronised:
        yield Finding("clock", Severity.OK, "something keeps its clock right")
    else:
        yield Finding(
            "clock", Severity.WARNING, "nothing keeps its clock right",
            "install chrony or systemd-timesyncd",
        )  # fmt: skip
    if facts.interrupted:
        yield Finding(
            "packages", Severity.WARNING, "its package manager was interrupted",
            "run `dpkg --configure -a` there",
        )  # fmt: skip
    if not facts.upgrades:
        yield Finding(
            "upgrades", Severity.WARNING, "security updates do not install themselves",
            "install unattended-upgrades",
        )  # fmt: skip
    if facts.reboot:
        yield Finding(
            "upgrades", Severity.WARNING, "an update waits for a restart of the host",
            "restart it when it suits; containers come back by their restart policy",
        )  # fmt: skip
    if not (facts.ufw == "active" or facts.firewall):
        yield Finding(
            "firewall", Severity.WARNING, "no firewall filters what comes in",
            "close all but SSH and the router's ports, here or before the host",
        )  # fmt: skip
