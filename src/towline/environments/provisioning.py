"""Hosts that are prepared or deprovisioned while something is deployed: the journal says so."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from towline.environments.host_environment import HostEnvironment
from towline.environments.lead_lock import secured
from towline.environments.notes import note
from towline.errors import Locked, TowlineError
from towline.state.lock import silent


def note_provisioning(
    lead: AbstractContextManager[HostEnvironment],
    what: str,
    hosts: Sequence[str],
    *,
    reason: str = "",
    say: Callable[[str], None] = silent,
) -> None:
    """Note what is about to be done to hosts, where their environment has a journal.

    Args:
        lead: Opens the environment on its lead, and leaves no connection open.
        what: `provision` or `deprovision`.
        hosts: Their names.
        reason: Why, in the words of whoever does it.
        say: Told why nothing was noted.

    Raises:
        Locked: When someone is running an operation there, which must not lose its hosts.
    """
    try:
        with lead as site:
            if site.host.files.exists(site.state.journal):
                with secured(site, what, say=say):
                    note(site, what, {"hosts": ", ".join(hosts), "reason": reason}, say=say)
    except Locked:
        raise
    except (OSError, TowlineError) as error:
        # Before the first deploy nobody may be able to log in yet; and a host whose disk is full,
        # or whose files are root's, is one that somebody wants to put in order.
        say(f"no journal says so: {error}")
