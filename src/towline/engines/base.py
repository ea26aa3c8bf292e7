"""What a rollout asks of an engine, in the words of stages: slots, traffic, jobs.

Nothing here speaks of containers being created one by one; a Swarm or a Helm chart can
answer the same questions.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from towline.engines.acts import Effect
from towline.engines.bundle import Draft, Guest, Resource
from towline.engines.commands import Commands
from towline.engines.describer import Describer
from towline.engines.observed import Container, ObservedState
from towline.engines.usage import Usage
from towline.hosts.base import Host, Result
from towline.routing.nginx import Routes
from towline.routing.policy import ANYBODY, Policy
from towline.routing.request_reader import LogPart, LogPosition
from towline.state.releases import Release


class Engine(Describer, Protocol):
    """Runs the containers of one environment on one host."""

    @property
    def commands(self) -> Commands:
        """What its acts look like when they are typed."""
        ...

    @property
    def host(self) -> Host:
        """Where it runs."""
        ...

    def ping(self) -> None:
        """Make sure that it answers.

        Raises:
            TowlineError: When it does not.
        """
        ...

    def wait(self, limit: float) -> None:
        """Wait until it answers, for so many seconds; raises what it said last."""
        ...

    def register(self) -> Path:
        """Note where the environment's state lies unless that is noted; returns what counts."""
        ...

    def router_failure_reason(self, observed: ObservedState) -> str:
        """Why the router serves nobody, asked on its own port; empty when it does."""
        ...

    def detached(self, observed: ObservedState) -> list[str]:
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

    def resources(self) -> list[Resource]:
        """What Towline made for the environment besides containers."""
        ...

    def destroy(self, *, data: bool) -> list[str]:
        """Remove everything of the environment but its state folder.

        Args:
            data: Whether its data goes too, and the note where its state lies.

        Returns:
            What is left because somebody else uses it, a line each.
        """
        ...

    def observe(self) -> ObservedState:
        """All containers of the environment, as they are now."""
        ...

    def forecast(
        self,
        wanted: Release | Draft | Guest,
        was: Mapping[str, str],
        now: Mapping[str, str],
        renewed: Mapping[str, Sequence[Path]],
        *,
        spare: bool = False,
    ) -> list[Effect]:
        """What `reconcile` would do to each service, and why; changes nothing.

        Args:
            wanted: A retained release, or one that is to come.
            was: Path in the deploy tree -> digest, as the live release has it.
            now: The same, as the wanted release has it.
            renewed: Service -> host files that it reads and that will change.
            spare: As for `reconcile`.
        """
        ...

    def reconcile(
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

    def run_job(
        self,
        release: Release,
        slot: str,
        service: str,
        *,
        timeout: float,
        check_cancelled: Callable[[], None],
    ) -> str:
        """Run a job to its end and return what it printed.

        Args:
            release: The release that it belongs to.
            slot: The release's slot.
            service: The job.
            timeout: Seconds after which it is stopped.
            check_cancelled: Called in every wait; when it raises, the job is stopped.

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

    def stop(self, slot: str, services: Sequence[str]) -> None:
        """Stop services of a slot and retain their containers, which nothing starts but `start`."""
        ...

    def routes(self, observed: ObservedState) -> Routes:
        """The routes that are in force."""
        ...

    def route(self, release: Release, shares: Mapping[str, int], policy: Policy = ANYBODY) -> None:
        """Send traffic to slots by percentage, tested before and verified after.

        Args:
            release: Whose router configuration and services count.
            shares: Slot -> percentage.
            policy: How requests are told apart.

        Raises:
            TowlineError: When the router refuses the configuration; the old one stays.
        """
        ...

    def pin(self, slot: str, replicas: Mapping[str, int]) -> bool:
        """Send a slot's requests only to containers that run, and stay at these numbers.

        Until the next `route`: what is removed then gets no request any more, and what is added
        gets none before it is ready. An engine that sees to that by itself does nothing here.

        Args:
            slot: The slot.
            replicas: Service -> containers that there are to be; others stay as they are.

        Returns:
            Whether routes changed: requests under earlier ones may still be open.
        """
        ...

    def open_on_old_routes(self) -> int:
        """How many router processes still finish requests begun under earlier routes."""
        ...

    def requests(self, after: LogPosition | None = None) -> LogPart:
        """What the router logged after a position, so that nothing is read twice.

        Args:
            after: Where the last reading ended; None for the end of the log: no lines, and the
                position to go on from.

        Raises:
            TowlineError: When it keeps no request log, or cannot be asked.
        """
        ...

    def usage(self, container: Container) -> Usage:
        """What a container uses of the machine, since it was started.

        Raises:
            TowlineError: When it does not run.
        """
        ...

    def address(self, container: Container, port: int) -> tuple[str, int] | None:
        """Where a container's port is reached from here; None when it is not to be reached."""
        ...

    def run_probe(self, container: Container, argv: Sequence[str], timeout: float) -> Result:
        """Run a short command in a container, which changes nothing there.

        A program that the image lacks exits with code 127. The beginning of what is printed is
        returned.

        Args:
            container: A container that runs.
            argv: The program and its arguments.
            timeout: Seconds that it may take.

        Raises:
            TimeoutError: When it does not end in time, or an earlier one still runs.
            CannotAskError: When the container does not run.
        """
        ...

    def failure_reason(self, container: Container) -> str:
        """Why a container does not stay up, such as `exited with code 3`; empty when it does."""
        ...

    def logs(
        self,
        container: Container,
        lines: int,
        age: float | None = None,
        *,
        required: bool = False,
    ) -> list[str]:
        """The last lines that a container printed; only those of the last `age` seconds.

        Args:
            container: The container.
            lines: How many at most.
            age: Seconds back that count; None for all.
            required: Whether lines that cannot be read are an error, and not a line that says so.

        Raises:
            EngineRefused: When they are required, and cannot be read.
        """
        ...
