"""What a probe asks: one container, as its engine lets it be reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from towline.errors import TowlineError
from towline.hosts.base import Result

Address = tuple[str, int]


class CannotAskError(TowlineError):
    """A container cannot be asked; the remedy says what helps."""


@dataclass(frozen=True)
class Target:
    """One container.

    Attributes:
        port: The port of its service, by its `x-towline` section.
        find: Where a port of the container is reached from here; None when it is not.
        run: Runs an argument list in it, for so many seconds at most; see `Engine.run_probe`.
        in_deploy: A deploy waits for the answer, so only what the container itself is like counts.
    """

    port: int | None
    find: Callable[[int], Address | None]
    run: Callable[[Sequence[str], float], Result]
    in_deploy: bool = True

    def at(self, port: int | None = None) -> tuple[Address, int]:
        """Where it is asked, and which of its ports that is.

        Args:
            port: The probe's own port, where it has one.

        Raises:
            CannotAskError: When there is no port, or it cannot be reached.
        """
        wanted = port or self.port
        if wanted is None:
            raise CannotAskError(
                "has a probe but no port to ask", remedy="add `port: NUMBER` to its x-towline"
            )
        address = self.find(wanted)
        if address is None:
            raise CannotAskError(f"port {wanted} cannot be reached")
        return address, wanted


def in_url(address: Address) -> str:
    """An address as it stands in a URL."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
