"""Waiting for one's turn: whoever waits for another's end plans after it, not before."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from towline.environments.host_environment import Fleet
from towline.environments.lead_lock import secured
from towline.state import lock


@dataclass
class Turn:
    """How long somebody is ready to wait for others.

    Attributes:
        limit: Seconds in all; 0 waits for nobody.
    """

    limit: float
    _begun: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return max(0.0, self._begun + self.limit - time.monotonic())

    def wait(self, fleet: Fleet, purpose: str, say: Callable[[str], None]) -> None:
        """Wait until nobody holds the lock of an environment.

        The lock is taken and given back: a plan is made, checked and confirmed without it, and
        whoever comes in between makes it outdated.

        Raises:
            Locked: When somebody holds it for longer.
        """
        if not self.limit:
            return
        site = fleet.lead
        if lock.read(site.host.files, site.state.lock):
            with secured(site, purpose, wait=self.left, say=say):
                pass
