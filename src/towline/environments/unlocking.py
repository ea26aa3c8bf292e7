"""The lock taken from whoever holds it, by force; the journal says who did that, and why."""

from collections.abc import Callable

from towline.environments.host_environment import HostEnvironment
from towline.environments.lead_lock import LeadMoved, secured
from towline.environments.notes import note
from towline.errors import Locked
from towline.state import lock
from towline.state.lock import Fenced, Holder, silent


def force_unlock(
    site: HostEnvironment, holder: Holder, *, reason: str = "", say: Callable[[str], None] = silent
) -> bool:
    """Take the lock from its holder, and free it; False when it is somebody else's by now.

    Args:
        site: The environment on its lead.
        holder: Whose lock it is.
        reason: Why, in the words of whoever does it.
        say: Told what could not be noted.

    Raises:
        LeadMoved: When another host is the lead now.
    """
    files, path = site.host.files, site.state.lock
    try:
        with secured(site, "force-unlock", say=say, instead_of=holder):
            note(site, "unlock", {"lock_of": str(holder), "reason": reason}, say=say)
    except (Fenced, LeadMoved):
        raise
    except Locked:
        return False
    except OSError as error:
        # A disk that is full has no room for a lock of ours, but the other one can go.
        say(f"the journal of {site.name} does not say so: {error}")
        # Where it was taken already, ours was freed again.
        return lock.free(files, path, holder) or lock.read(files, path) is None
    return True
