"""Hosts that cannot be reached, and what can be done on the others meanwhile."""

from collections.abc import Collection, Sequence

from towline.hosts.waiting import is_connection_error
from towline.rollout.host_rollout import HostRollout
from towline.rollout.parallel import HostFailed


def unreachable(error: Exception) -> set[str]:
    """Names of the hosts that failed because nobody reached them, or their engine."""
    if not isinstance(error, HostFailed):
        return set()
    failed = error.failed or [(error.part, error.error)]
    return {part.name for part, reason in failed if is_connection_error(reason)}


def works_without(parts: Sequence[HostRollout], hosts: Collection[str], command: str) -> str:
    """What to type where some hosts cannot be reached; empty when all can, or none.

    Args:
        parts: The hosts of the operation, the lead first.
        hosts: Names of those that cannot be reached.
        command: What is to be done on the others.
    """
    lost = [part.name for part in parts if part.name in hosts]
    others = [part.name for part in parts if part.name not in hosts]
    if not lost or not others:
        return ""
    names, lead = ",".join(lost), parts[0].name
    without = f"`{command} --without {names}` works on {', '.join(others)}"
    if lead in lost:
        move = f"inv hosts.lead --env {parts[0].plan.environment} --host {others[0]}"
        without = f"{lead} is the lead: `{move}` makes {others[0]} the lead, and then {without}"
    return f"while {', '.join(lost)} cannot be reached: {without}"
