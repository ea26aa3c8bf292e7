"""Which slot gets how much traffic: what a router is told, and what it says that it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from towline.routing.policy import ANYBODY, Policy


@dataclass(frozen=True)
class Backend:
    """Where one app service gets its traffic: percent of requests for each slot.

    Attributes:
        port: What its containers listen on.
        shares: Slot -> percentage.
        ports: Slot -> port, where a release listens on another one.
        only: Slot -> containers that alone get its traffic; without it all of the slot do.
    """

    port: int
    shares: Mapping[str, int]
    ports: Mapping[str, int] = field(default_factory=dict)
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        total = sum(self.shares.values())
        if total not in (0, 100) or any(share < 0 for share in self.shares.values()):
            raise ValueError(f"shares {dict(self.shares)} are not percentages that add up to 100")

    @property
    def is_split(self) -> bool:
        """Whether more than one slot gets traffic."""
        return sum(share > 0 for share in self.shares.values()) > 1

    def port_of(self, slot: str) -> int:
        """What the containers of a slot listen on."""
        return self.ports.get(slot, self.port)

    def data(self) -> dict[str, Any]:
        """As plain data, which `read_backend` reads."""
        data: dict[str, Any] = {"port": self.port, "shares": dict(self.shares)}
        if self.ports:
            data["ports"] = dict(self.ports)
        if self.only:
            data["only"] = {slot: [*names] for slot, names in self.only.items()}
        return data


def read_backend(data: Mapping[str, Any]) -> Backend:
    """A backend from its plain data."""
    only = {slot: tuple(names) for slot, names in data.get("only", {}).items()}
    return Backend(data["port"], data["shares"], data.get("ports", {}), only)


@dataclass(frozen=True)
class Routes:
    """All routes of an environment; `generation` tells one configuration from the next.

    Attributes:
        policy: How requests are told apart.
        log: Slot -> release, for the router's request log; None where it keeps none.
    """

    generation: str = ""
    backends: Mapping[str, Backend] = field(default_factory=dict)
    policy: Policy = ANYBODY
    log: Mapping[str, str] | None = None

    @property
    def keeps_log(self) -> bool:
        """Whether the router logs the requests that it sends to app services."""
        return self.log is not None and bool(self.backends)

    def share(self, slot: str) -> int:
        """The percentage of traffic that a slot gets; all services that it shares move together.

        A service that only one of two releases has is all of that one's, whatever the others do.
        """
        return max((b.shares.get(slot, 0) for b in self._telling()), default=0)

    def live_slot(self) -> str | None:
        """The slot with the most traffic; None before the first release."""
        totals: dict[str, int] = {}
        for backend in self._telling():
            for slot, share in backend.shares.items():
                totals[slot] = totals.get(slot, 0) + share
        best = max(totals, key=lambda slot: totals[slot], default=None)
        return best if best and totals[best] else None

    def _telling(self) -> list[Backend]:
        found = [*self.backends.values()]
        return [backend for backend in found if backend.is_split] or found
