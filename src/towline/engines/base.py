"""What a rollout asks of an engine, in the words of stages: slots, traffic, jobs.

Nothing here speaks of containers being created one by one; a Swarm or a Helm chart can
answer the same questions.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from towline.engines.acts import Effect
from towline.engines.compose.persistent import Rendered
from towline.engines.world import Container, World
from towline.hosts.base import Host
from towline.routing.nginx import Routes
from towline.state.releases import Release


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


class Engine(Protocol):
    """Runs the containers of one environment on one host."""

    @property
    def commands(self) -> Commands:
        """What its acts look like when they are typed."""
        ...

    @property
    def host(self) -> Host:
        """Where it runs."""
        ...

    def wait(self, limit: float) -> None:
        """Wait until it answers, for so many seconds; raises what it said last."""
        ...

    def register(self) -> Path:
        """Note where the environment's state lies unless that is noted; returns what counts."""
        ...

    def router_trouble(self, world: World) -> str:
        """Why the router serves nobody, asked on its own port; empty when it does."""
        ...

    def detached(self, world: World) -> list[str]:
        """Backing services and router whose mounts show a folder that was deleted meanwhile."""
        ...

    def reattach(self, services: Sequence[str]) -> str:
        """Restart services so that they mount what is there now; the routes stay as they are."""
        ...

    def registered(self) -> Path | None:
        """Where that is, as it was noted; None when nothing of the environment is here."""
        ...

    def unregister(self) -> None:
        """Take that note away."""
        ...

    def observe(self) -> World:
        """All containers of the environment, as they are now."""
        ...

    def forecast(
        self,
        wanted: Release | Rendered,
        was: Mapping[str, str],
        now: Mapping[str, str],
        renewed: Mapping[str, Sequence[Path]],
        *,
        spare: bool = False,
    ) -> list[Effect]:
        """What `settle` would do to each service, and why; changes nothing.

        Args:
            wanted: A retained release, or one that is only rendered yet.
            was: Path in the deploy tree -> digest, as the live release has it.
            now: The same, as the wanted release has it.
            renewed: Service -> host files that it reads and that will change.
            spare: As for `settle`.
        """
        ...

    def settle(
        self,
        release: Release,
        renewed: Mapping[str, Sequence[Path]] | None = None,
        *,
        spare: bool = False,
    ) -> list[str]:
        """Bring backing services and the router to a release's description.

        Args:
            release: The release.
            renewed: Service -> files that it reads and that changed already.
            spare: Leave backing services that are well as they are, however they differ.

        Returns:
            What was done, a line each; empty when all was as described.
        """
        ...

    def renew(self, release: Release, renewed: Mapping[str, Sequence[Path]]) -> list[str]:
        """Let backing services and the router read files that changed.

        Raises:
            TowlineError: When the router refuses them; then it goes on with what it has read.
        """
        ...

    def user_id(self, definition: Mapping[str, Any]) -> int | None:
        """The numeric user of a service of a rendered file; None when nobody can tell."""
        ...

    def run_job(
        self,
        release: Release,
        colour: str,
        service: str,
        *,
        timeout: float,
        tick: Callable[[], None],
    ) -> str:
        """Run a job to its end and return what it printed.

        Args:
            release: The release that it belongs to.
            colour: The release's slot.
            service: The job.
            timeout: Seconds after which it is stopped.
            tick: Called in every wait; when it raises, the job is stopped.

        Raises:
            JobFailed: When it fails, or is stopped for taking too long.
        """
        ...

    def stop_jobs(self, release: str) -> list[str]:
        """Stop the jobs of a release that run, and wait for their end; returns their services."""
        ...

    def start(
        self, release: Release, slot: str, replicas: Mapping[str, int], ready: Sequence[str] = ()
    ) -> None:
        """Make so many containers of services run in a slot, and no more.

        What was retained is started, what is missing is created, and what is too much is stopped
        by its own grace period and removed. Services that are not named are left as they are.

        Args:
            release: The release they belong to; containers of another one in the slot give way.
            slot: The slot.
            replicas: Service -> containers.
            ready: Services whose containers may be created too, so that they start quickly later.
        """
        ...

    def stop(self, colour: str, services: Sequence[str]) -> None:
        """Stop services of a slot and retain their containers, which nothing starts but `start`."""
        ...

    def missing_images(self, images: Collection[str]) -> set[str]:
        """Those of some pinned images that are not on the host."""
        ...

    def routes(self, world: World) -> Routes:
        """The routes that are in force."""
        ...

    def route(self, release: Release, shares: Mapping[str, int]) -> None:
        """Send traffic to slots by percentage, tested before and verified after.

        Raises:
            TowlineError: When the router refuses the configuration; the old one stays.
        """
        ...

    def open_on_old_routes(self) -> int:
        """How many router processes still finish requests begun under earlier routes."""
        ...

    def address(self, container: Container, port: int) -> tuple[str, int] | None:
        """Where a container's port is reached from here; None when it is not to be reached."""
        ...

    def trouble(self, container: Container) -> str:
        """Why a container does not stay up, such as `exited with code 3`; empty when it does."""
        ...

    def logs(self, container: Container, lines: int, age: float | None = None) -> list[str]:
        """The last lines that a container printed; only those of the last `age` seconds."""
        ...
