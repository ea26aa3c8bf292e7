"""Who watches an environment, and what a guard decided last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from towline.environments.host_environment import HostEnvironment
from towline.guard.record import Action, GuardRecord, recent
from towline.guard.registration import Registration, read_living
from towline.state.releases import Release


@dataclass(frozen=True)
class GuardStatus:
    """The guard of an environment.

    Attributes:
        watching: The guard that watches; None when none does.
        decision: What was decided last about the live release, or brought it back.
    """

    watching: Registration | None = None
    decision: GuardRecord | None = None

    def data(self) -> dict[str, Any]:
        """As plain data; `fired` is for people."""
        last = self.decision
        return {
            "watching": self.watching.data() if self.watching else None,
            "fired": last.outcome if last else None,
            "decision": {**last.data(), "at": last.at} if last else None,
        }


def guard_status(site: HostEnvironment, live: Release | None) -> GuardStatus:
    """Ask the lead of an environment.

    Args:
        site: The environment on its lead.
        live: The release that serves.
    """
    last = next(iter(recent(site.journal)[::-1]), None)
    about = (last.release, last.target) if last and last.action is not Action.RECOVERED else ()
    return GuardStatus(read_living(site), last if live and live.id in about else None)
