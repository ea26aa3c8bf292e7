"""What is written down beside the operations: who did what, under the lock."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from towline.environments.host_environment import HostEnvironment
from towline.errors import TowlineError
from towline.state.lock import Fenced, Holder, silent


def note(
    site: HostEnvironment,
    what: str,
    data: Mapping[str, Any],
    *,
    say: Callable[[str], None] = silent,
) -> None:
    """Note something in the journal; what was done is not undone where that cannot be written.

    Args:
        site: The environment on its lead.
        what: Name of what was done.
        data: More of it; what is empty is left out. Who did it is noted by the journal itself.
        say: Told why nothing was noted.

    Raises:
        Fenced: When the lock was lost.
    """
    said = {name: value for name, value in data.items() if value}
    try:
        site.journal.write(uuid.uuid4().hex[:8], "note", what, said)
    except Fenced:
        raise
    except (OSError, TowlineError) as error:
        say(f"the journal of {site.name} does not say so: {error}")


def note_takeover(
    site: HostEnvironment, holder: Holder, *, say: Callable[[str], None] = silent
) -> None:
    """Note whose stale lock was taken over, if one was."""
    if holder.took_over:
        data = {"lock_of": holder.took_over, "operation": holder.operation}
        note(site, "takeover", data, say=say)
