"""How the acts of an engine look when they are typed."""

from collections.abc import Sequence
from typing import Protocol

from towline.engines.acts import Effect


class Commands(Protocol):
    """What an engine's acts look like when they are typed: the `$` lines of a plan. Pure."""

    def build(self, services: Sequence[str]) -> tuple[str, ...]:
        """What builds images on the machine where the plan is made."""
        ...

    def push(self, references: Sequence[str]) -> tuple[str, ...]:
        """What brings images to their registries."""
        ...

    def pull(self, references: Sequence[str]) -> tuple[str, ...]:
        """What fetches images from their registries."""
        ...

    def reconcile(self, release: str, effects: Sequence[Effect]) -> tuple[str, ...]:
        """What brings persistent services to a release's description."""
        ...

    def run_jobs(self, release: str, slot: str, services: Sequence[str]) -> tuple[str, ...]:
        """What runs jobs in the image of a release."""
        ...

    def start(
        self, release: str, slot: str, services: Sequence[str], ready: Sequence[str]
    ) -> tuple[str, ...]:
        """What makes services run in a slot; those of `ready` are only created."""
        ...

    def start_ready(self, services: Sequence[str]) -> tuple[str, ...]:
        """What starts services that were only created before."""
        ...

    def route(self) -> tuple[str, ...]:
        """What makes the router read its configuration."""
        ...
