"""Holds that people set and lift: under the lock, like whatever else is written on the lead."""

from collections.abc import Callable

from towline.environments.host_environment import HostEnvironment
from towline.environments.lead_lock import secured
from towline.environments.notes import note
from towline.state import hold
from towline.state.hold import Hold
from towline.state.lock import silent


def place(
    site: HostEnvironment, reason: str, *, wait: float = 0.0, say: Callable[[str], None] = silent
) -> Hold:
    """Hold an environment for a person; an operation that is running there ends first.

    Args:
        site: The environment on its lead.
        reason: In the words of that person.
        wait: Seconds to wait for someone else who is running an operation.
        say: Told whom it waits for.

    Raises:
        Locked: When someone else is running an operation for longer.
    """
    with secured(site, "hold", wait=wait, say=say):
        placed = hold.put(site.files, site.state, reason)
        note(site, "hold", {"reason": reason}, say=say)
        return placed


def take_away(
    site: HostEnvironment,
    *,
    reason: str = "",
    wait: float = 0.0,
    say: Callable[[str], None] = silent,
) -> Hold | None:
    """Lift the hold of an environment for a person; see `place`."""
    if hold.read(site.host.files, site.state) is None:
        return None
    with secured(site, "lift the hold", wait=wait, say=say):
        lifted = hold.lift(site.files, site.state)
        if lifted:
            note(site, "hold.lift", {"hold": str(lifted), "reason": reason}, say=say)
        return lifted
