"""The environment that the guard looks at, with hosts that were away once they are back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from towline.environments.host_environment import Fleet
from towline.environments.opening import close_fleet
from towline.hosts.waiting import is_transient

PAUSE = 30.0
"""Seconds between attempts: each waits for the hosts that stay away."""


@dataclass
class Opener:
    """Opens an environment, and opens it anew once a host is back that was away then.

    Attributes:
        look: Opens it, as far as its hosts are there.
        clock: Seconds.
    """

    look: Callable[[], Fleet]
    clock: Callable[[], float]
    _sought: float = field(default=0.0, init=False)

    def opened(self, known: Fleet | None) -> Fleet:
        """The environment; `known` is closed when another one is returned.

        Args:
            known: The environment as it was opened before.
        """
        now = self.clock()
        if known and (not known.away or now - self._sought < PAUSE):
            return known
        self._sought = now
        if known is None:
            return self.look()
        try:
            found = self.look()
        except Exception as error:
            if not is_transient(error):
                raise
            # Whether those that were there still answer, the next look at them tells.
            return known
        returned = {item.host for item in known.away} - {item.host for item in found.away}
        # One whose lead went meanwhile is worse than what is known.
        is_better = bool(returned) and not (found.leaderless and not known.leaderless)
        close_fleet(known if is_better else found)
        return found if is_better else known
