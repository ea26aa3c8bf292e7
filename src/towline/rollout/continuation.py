"""Where a deploy that went in steps and did not end goes on, on one host.

The journal says which release was to replace which; how far it came is what the router says, host
by host. So a host that is behind the others, or was not begun yet, goes its own way to the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from towline.engines.observed import SLOTS
from towline.environments.host_environment import EnvironmentState
from towline.rollout.stages import Stage
from towline.state.journal import Unfinished
from towline.state.releases import Release, ReleaseStore


@dataclass(frozen=True)
class Continuation:
    """Two releases that share a host's traffic.

    Attributes:
        slot: The slot of the release that is to serve.
        old: The release that it replaces, in `old_slot`.
        share: Percentage of traffic that the new one gets now.
        passed: The stage after which a person let it go on; no pause before it counts any more.
        full: Whether that was to all traffic at once.
    """

    slot: str
    old: Release
    old_slot: str
    share: int
    passed: str = ""
    full: bool = False

    def remaining(self, stages: Sequence[Stage]) -> list[Stage]:
        """What is left of a schedule: from the stage on that the host is at, which is asked again.

        Args:
            stages: The whole schedule; the new release's share never falls in it.
        """
        if self.full:
            return [stage for stage in stages if stage.share == 100]
        at = max(n for n, stage in enumerate(stages) if stage.share <= self.share)
        passed = next((n for n, stage in enumerate(stages) if stage.name == self.passed), -1)
        return list(stages[passed + 1 if passed >= at else at :])


def find_continuation(
    store: ReleaseStore, observed: EnvironmentState, left: Unfinished | None
) -> Continuation | None:
    """Where a deploy goes on; None where a plan from the beginning, or of the end, does.

    Args:
        store: The releases that the host retains.
        observed: What is there.
        left: The operation that did not end.
    """
    if left is None or left.kind not in ("deploy", "rollback"):
        return None
    slots = {observed.state.release_of(slot): slot for slot in SLOTS}
    slot, old_slot = slots.get(left.release), slots.get(left.before)
    old = store.get(left.before) if left.before else None
    if slot is None or old_slot is None or slot == old_slot or old is None:
        return None
    share = observed.routes.share(slot)
    begun = share > 0 or bool(left.passed)
    if share == 100 or not begun:
        return None
    return Continuation(slot, old, old_slot, share, left.passed, left.full)


def is_touched(observed: EnvironmentState, left: Unfinished | None) -> bool:
    """Whether a host sends users to what was begun, so that it has to go back with the others."""
    if left is None or left.before in ("", left.release) or observed.standby is None:
        # Nothing is there to go back to.
        return False
    state, routes = observed.state, observed.routes
    return any(routes.share(s) for s in SLOTS if state.release_of(s) == left.release)
