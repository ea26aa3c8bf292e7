"""How much runs at the same time while one release replaces another."""

from collections import Counter
from collections.abc import Iterable

from towline.config.services import Role, count_replicas
from towline.engines.bundle import PERSISTENT, Bundle
from towline.environments.host_environment import HostEnvironment
from towline.rollout.schedules import find_strategies
from towline.rollout.stages import Counts, Replicas, Stage, StrategySettings
from towline.state.releases import Release


def count_peak(stages: Iterable[Stage], old: Counts) -> Counts:
    """Service -> the most containers of both releases that run at any moment of a schedule.

    On the way to a stage, what is wanted starts before what is not wanted any more stops.

    Args:
        stages: The schedule.
        old: Containers of the release that serves before.
    """
    most, new_now, old_now = Counter(old), Counter[str](), Counter(old)
    for stage in stages:
        new, left = Counter(stage.new), Counter(stage.old)
        most |= (new_now | new) + (old_now | left)
        new_now, old_now = new, left
    return dict(most)


def peak_of(site: HostEnvironment, bundle: Bundle, live: Release | None) -> Counts:
    """Service -> the most containers that run at any moment of the next deploy on a host.

    Args:
        site: The environment on the host.
        bundle: What is to be deployed.
        live: The release that serves there.

    Raises:
        UsageError: When the strategy has no schedule for it.
    """
    given = site.rollout.replicas

    def counts(*roles: Role) -> dict[str, int]:
        names = bundle.named(*roles)
        return {name: count_replicas(given, name, bundle.services[name]) or 1 for name in names}

    old = live.counts(Role.APP) if live else {}
    settings = StrategySettings(site.rollout, site.environment.smoke)
    strategy = find_strategies()[site.rollout.strategy]
    stages = strategy.stages(Replicas(counts(Role.APP), old), settings)
    return {**counts(Role.WORKER, *PERSISTENT), **count_peak(stages, old)}
