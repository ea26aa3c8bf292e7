"""What strategies speak of: stages, which are desired states with real numbers.

A stage is a desired state of two slots, so a transition to it twice is harmless; resume, abort and
rollback point the same executor at another stage. A strategy knows no Docker.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from towline.config import analysis_section, deploy_sections
from towline.config.services import Role
from towline.rollout.gates.analysis import Analysis
from towline.rollout.gates.bake import Bake
from towline.rollout.gates.base import Gate
from towline.rollout.gates.health import Health
from towline.rollout.gates.smoke import Smoke
from towline.rollout.gates.smoke_after import SmokeAfter, choose_tests
from towline.routing.policy import ANYBODY, Policy

# Service -> containers.
Counts = Mapping[str, int]


class Workers(StrEnum):
    """Which release's workers run."""

    OLD = "old"
    NEW = "new"
    NONE = "none"


@dataclass(frozen=True)
class Stage:
    """A desired state of an environment while a release replaces another.

    Attributes:
        name: What people call it.
        title: One line on what it does.
        new: Containers of each new app service.
        old: Containers of each old app service; where there are to be none, they are stopped and
            retained.
        share: Percentage of traffic that the new release gets.
        workers: Which release's workers run.
        gates: What the new release must pass before the next stage.
        old_gates: What the old release must pass.
        users_first: Move traffic before the workers, which may take their time to stop.
        pauses: Whether a person decides on what follows it.
        policy: How users are told apart while two releases share them.
    """

    name: str
    title: str
    new: Counts
    old: Counts
    share: int
    workers: Workers = Workers.OLD
    gates: tuple[Gate, ...] = ()
    old_gates: tuple[Gate, ...] = ()
    users_first: bool = False
    pauses: bool = False
    policy: Policy = ANYBODY

    @property
    def runs_new(self) -> bool:
        """Whether the new release has a container."""
        return any(self.new.values())

    @property
    def runs_old(self) -> bool:
        """Whether the old release has a container."""
        return any(self.old.values())

    @property
    def can_pause(self) -> bool:
        """Whether both releases run, and the new one does not have all traffic."""
        return self.share < 100 and self.runs_new and self.runs_old

    @property
    def is_cleanup(self) -> bool:
        """Whether the new release has everything, and nothing about it is asked any more."""
        return self.share == 100 and not self.runs_old and not self.gates

    def does_as(self, other: "Stage") -> bool:
        """Whether it asks for no other state than another one."""

        def state(stage: "Stage") -> tuple[object, ...]:
            return (
                {name: count for name, count in stage.new.items() if count},
                {name: count for name, count in stage.old.items() if count},
                stage.share,
            )

        return state(self) == state(other)

    def data(self) -> dict[str, Any]:
        """The stage for machines."""
        return {
            "name": self.name,
            "title": self.title,
            "new": dict(self.new),
            "old": dict(self.old),
            "share": self.share,
            "workers": str(self.workers),
            "gates": [gate.name for gate in (*self.gates, *self.old_gates)],
            "users_first": self.users_first,
            "pauses": self.pauses,
        }


@dataclass(frozen=True)
class Replicas:
    """What a strategy starts from: how many containers of each app service there are to be.

    Attributes:
        new: Of the release that is to serve.
        old: Of the release that serves; empty when none does.
    """

    new: Counts
    old: Counts


@dataclass(frozen=True)
class StrategySettings:
    """What a strategy may be told.

    Attributes:
        url: Where users reach the service; empty when nobody said.
        insecure: Whether a certificate there need not be verified.
    """

    rollout: deploy_sections.Rollout = field(default_factory=deploy_sections.Rollout)
    smoke: deploy_sections.Smoke = field(default_factory=deploy_sections.Smoke)
    analysis: analysis_section.Analysis = field(default_factory=analysis_section.Analysis)
    url: str = ""
    insecure: bool = False

    @property
    def before_traffic(self) -> tuple[Gate, ...]:
        """What a new release passes before anybody gets it."""
        return Health(self.rollout.health_timeout), Smoke(self.smoke)

    @property
    def under_traffic(self) -> tuple[Gate, ...]:
        """What it passes with all traffic; no bake where no time is given for it."""
        rollout = self.rollout
        tests = choose_tests(self.smoke, self.url)
        smoke = (SmokeAfter(tests, self.url, self.insecure),) if tests else ()
        gates = self._judged(rollout.bake_time, self.analysis.window, is_compared=False)
        return Health(rollout.health_timeout), *smoke, *gates

    def under_share(self, window: float) -> tuple[Gate, ...]:
        """What it passes with a share of traffic, judged for so many seconds.

        Its workers do not run yet.
        """
        gates = self._judged(window, window, is_compared=True, roles=(Role.APP,))
        return Health(self.rollout.health_timeout), *gates

    def _judged(
        self,
        bake: float,
        window: float,
        *,
        is_compared: bool,
        roles: tuple[Role, ...] = (Role.APP, Role.WORKER),
    ) -> tuple[Gate, ...]:
        """Analysis where there are checks, a bake elsewhere; neither takes no time."""
        most = self.rollout.max_failures
        if self.analysis.checks and window:
            return (Analysis.of(window, self.analysis, most, is_compared=is_compared),)
        return (Bake(bake, most, roles),) if bake else ()


def _no_time(rollout: deploy_sections.Rollout) -> float:  # noqa: ARG001
    return 0.0


@dataclass(frozen=True)
class Strategy:
    """A way to bring a release to users.

    Attributes:
        stages: Its schedule: a pure function.
        capacity: Of each service, the containers that serve at every moment of it at least.
        needs_router: Whether two releases are to run side by side.
        downtime: Seconds for which nothing may serve, at the longest.
        rolls_back_alike: Whether a rollback goes by its stages, too: there is no room for two full
            sets of containers.
    """

    stages: Callable[[Replicas, StrategySettings], list[Stage]]
    capacity: Callable[[Replicas, StrategySettings], Counts]
    needs_router: bool = True
    downtime: Callable[[deploy_sections.Rollout], float] = _no_time
    rolls_back_alike: bool = False
