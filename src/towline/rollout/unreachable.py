"""Hosts that cannot be reached, and what can be done on the others meanwhile."""

from collections.abc import Collection, Sequence

from towline.hosts.waiting import cut
from towline.rollout.lane import Lane
from towline.rollout.parallel import HostFailed


def unreachable(error: Exception) -> set[str]:
    """Names of the hosts that failed because nobody reached them, or their engine."""
    if not isinstance(error, HostFailed):
        return set()
    failed = error.failed or [(error.lane, error.error)]
    return {lane.name for lane, reason in failed if cut(reason)}


def works_without(lanes: Sequence[Lane], hosts: Collection[str], command: str) -> str:
    """What to type where some hosts cannot be reached; empty when all can, or none.

    Args:
        lanes: The hosts of the operation, the lead first.
        hosts: Names of those that cannot be reached.
        command: What is to be done on the others.
    """
    lost = [lane.name for lane in lanes if lane.name in hosts]
    others = [lane.name for lane in lanes if lane.name not in hosts]
    if not lost or not others:
        return ""
    names, lead = ",".join(lost), lanes[0].name
    without = f"`{command} --without {names}` works on {', '.join(others)}"
    if lead in lost:
        move = f"inv hosts.lead --env {lanes[0].plan.environment} --host {others[0]}"
        without = f"{lead} is the lead: `{move}` makes {others[0]} the lead, and then {without}"
    return f"while {', '.join(lost)} cannot be reached: {without}"
