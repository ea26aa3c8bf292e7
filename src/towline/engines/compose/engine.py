"""Docker hosts: Compose creates and removes, the Docker SDK observes and acts on what exists."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline.config.services import Role
from towline.engines.acts import Effect
from towline.engines.bundle import Draft, Guest, Resource
from towline.engines.compose import containers, jobs, mounted, registration, scaling, shared
from towline.engines.compose.commands import (
    ComposeCommands,
    job_command,
    start_commands,
)
from towline.engines.compose.described import Described
from towline.engines.compose.files import persistent_file, read_model, slot_file
from towline.engines.compose.persistent import Persistent, Rendered, reload_signals
from towline.engines.compose.probing import Prober
from towline.engines.compose.router import Router
from towline.engines.compose.stats import read_usage
from towline.engines.observed import Container, ObservedState
from towline.engines.usage import Usage
from towline.errors import EngineRefused, NoSuchObject, TowlineError
from towline.hosts import full_disk
from towline.hosts.base import Result, in_turn
from towline.hosts.waiting import wait_for
from towline.routing.nginx import Routes
from towline.routing.policy import ANYBODY, Policy
from towline.routing.request_reader import LogPart, LogPosition
from towline.state.releases import Release

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class ComposeEngine(Described):
    """One environment on one Docker host: what runs there."""

    @cached_property
    def router(self) -> Router:
        """The router of the environment."""
        return Router(self.host, self.state)

    @property
    def commands(self) -> ComposeCommands:
        """See `Engine.commands`."""
        return ComposeCommands(self.state)

    def wait(self, limit: float) -> None:
        """See `Engine.wait`."""
        wait_for(self.host, limit)

    @cached_property
    def persistent(self) -> Persistent:
        """Its backing services and its router."""
        return Persistent(self.host, self.state, self.owner, self._compose)

    def forecast(
        self,
        wanted: Release | Draft | Guest,
        was: Mapping[str, str],
        now: Mapping[str, str],
        renewed: Mapping[str, Sequence[Path]],
        *,
        spare: bool = False,
    ) -> list[Effect]:
        """See `Engine.forecast`."""
        if isinstance(wanted, Release):
            model = read_model(self.host.files, persistent_file(wanted))
            rendered = Rendered(self.names().current(model), reload_signals(wanted))
        else:
            rendered = self._drafts.rendered(wanted)
        there = self.observe()
        return self.persistent.forecast(rendered, there, was, now, renewed, spare=spare)

    def reconcile(
        self,
        release: Release,
        renewed: Mapping[str, Sequence[Path]] | None = None,
        *,
        spare: bool = False,
    ) -> list[str]:
        """See `Engine.reconcile`."""
        model = self._model(persistent_file(release))
        self.router.prepare(release)
        there = self.observe()
        # A router that never sent anybody anywhere may not even start with the files that it has.
        is_idle = not there.role(Role.ROUTER) or self.router.read(there).live_slot() is None
        return self.persistent.bring_up(
            release, model, there, renewed or {}, spare=spare, is_idle=is_idle
        )

    def renew(self, release: Release, renewed: Mapping[str, Sequence[Path]]) -> list[str]:
        """See `Engine.renew`."""
        there = self.observe()
        done = []
        # The router first: it may refuse.
        if release.router and release.router in renewed:
            self.router.reload(there)
            files = ", ".join(str(path) for path in renewed[release.router])
            done.append(f"{release.router} reloaded" + (f": {files}" if files else ""))
        return done + self.persistent.renew(release, there, renewed)

    def run_job(
        self,
        release: Release,
        slot: str,
        service: str,
        *,
        timeout: float,
        check_cancelled: Callable[[], None],
    ) -> str:
        """See `Engine.run_job`."""
        job = jobs.Job(service, release.id, timeout)
        there = self.observe().role(Role.JOB)
        # What another release left there ended long ago; a job that runs is never removed.
        self._clear(item for item in there if not item.running and not job.is_in(item))

        def start() -> str:
            self._clear(item for item in there if not item.running and job.is_in(item))
            file = slot_file(release, slot)
            # Networks and volumes that only apps use are there before the first app is.
            self._create_shared(self._model(file))
            return self._started(job_command(file, service))

        return jobs.run(self._api, job, there, start, check_cancelled)

    def stop_jobs(self, release: str) -> list[str]:
        """See `Engine.stop_jobs`."""
        there = self.observe().role(Role.JOB)
        running = [item for item in there if item.running and item.release == release]
        self._each(lambda item: containers.stop(self._api, item.id), running)
        return [item.service for item in running]

    def start(
        self, release: Release, slot: str, replicas: Mapping[str, int], ready: Sequence[str] = ()
    ) -> None:
        """See `Engine.start`."""
        if not replicas:
            return
        file = slot_file(release, slot)
        model = self._model(file)
        counts = scaling.wanted_counts(release, model, replicas)
        there = self.observe().of(slot)
        # What runs is not touched before its turn.
        ready = [name for name in ready if not any(c.running and c.service == name for c in there)]
        found = [item for item in there if item.service in (*counts, *ready)]
        own = [item for item in found if item.release == release.id]
        gone = list(scaling.surplus(own, counts))
        self._clear([*(item for item in found if item.release != release.id), *gone])
        own = [item for item in own if item not in gone]

        def lacks(name: str) -> bool:
            return sum(c.service == name for c in own) < counts.get(name, 1)

        if not any(lacks(name) for name in counts):
            wanted = [c for c in own if c.service in counts]
            self._come_back(wanted, model)
            self._each(lambda item: self._api.start(item.id), [c for c in wanted if not c.running])
            return
        self._create_shared(model)
        scale = scaling.scale_options(model, counts, is_there=bool(own))
        waiting_for = [name for name in ready if lacks(name)]
        self._compose(*start_commands(file, [*counts], waiting_for, scale))
        made = self.observe().of(slot)
        self._come_back([item for item in made if item.service in counts], model)
        # A worker that waits for its turn must not be started by an engine that restarts.
        waiting = [item for item in made if item.service in ready and not item.running]
        self._each(lambda item: containers.retire(self._api, item.id), waiting)

    def _come_back(self, items: Iterable[Container], model: dict[str, Any]) -> None:
        """Give containers the restart policy of their description, which `stop` takes away."""
        for item in items:
            policy = containers.policy_of(model["services"][item.service])
            containers.set_policy(self._api, item.id, policy)

    def stop(self, slot: str, services: Sequence[str]) -> None:
        """See `Engine.stop`; each container has its own `stop_grace_period`."""
        found = [item for item in self.observe().of(slot) if item.service in services]
        self._each(lambda item: containers.retire(self._api, item.id), found)

    def register(self) -> Path:
        """Note the state folder unless another one is noted; returns the one that counts."""
        return registration.register(self.host, self.project, self.environment, self.state.root)

    def router_failure_reason(self, observed: ObservedState) -> str:
        """See `Engine.router_failure_reason`."""
        return self.router.failure_reason(observed)

    def detached(self, observed: ObservedState) -> list[str]:
        """See `Engine.detached`."""
        found = mounted.detached(self._api, observed.persistent(), self.state.root)
        return sorted({item.service for item in found})

    def reattach(self, services: Sequence[str]) -> str:
        """See `Engine.reattach`."""
        observed = self.observe()
        self.router.keep_routes(observed)
        found = [item for item in observed.persistent() if item.service in services]
        self._each(lambda item: self._api.restart(item.id), found)
        return f"{', '.join(item.service for item in found)} restarted"

    def registered(self) -> Path | None:
        """The state folder that the engine knows; None when nothing of the environment is here."""
        return registration.registered(self.host, self.project, self.environment)

    def unregister(self) -> None:
        """Take that note away."""
        registration.forget(self.host, self.project, self.environment)

    def destroy(self, *, data: bool) -> list[str]:
        """See `Engine.destroy`."""
        found = self.observe().containers
        # Databases last: what uses them has stopped by then.
        for is_last in (False, True):
            self._clear(item for item in found if (item.role == Role.BACKING) is is_last)
        left = shared.remove(self._api, self.owner, "networks")
        if data:
            left += shared.remove(self._api, self.owner, "volumes")
            self.unregister()
        # Routes to nothing must not be taken for routes by the next first deploy.
        self.router.forget_routes()
        return left

    def resources(self) -> list[Resource]:
        """See `Engine.resources`: networks and volumes."""
        networks = shared.ours(self._api, self.owner, "networks")
        volumes = shared.ours(self._api, self.owner, "volumes")
        return [
            *(Resource("network", name) for name in networks),
            *(Resource("volume", name, is_data=True) for name in volumes),
        ]

    def routes(self, observed: ObservedState) -> Routes:
        """See `Engine.routes`."""
        return self.router.read(observed)

    def route(self, release: Release, shares: Mapping[str, int], policy: Policy = ANYBODY) -> None:
        """See `Engine.route`."""
        if release.router:
            self.router.switch(release, shares, self.observe(), policy)

    def pin(self, slot: str, replicas: Mapping[str, int]) -> bool:
        """See `Engine.pin`."""
        there = self.observe()
        found = there.of(slot, Role.APP)
        gone = list(scaling.surplus(found, replicas))
        stay = [item for item in found if item.running and item not in gone]
        names = {
            service: tuple(item.name for item in stay if item.service == service)
            for service in replicas
        }
        return self.router.pin(slot, names, there)

    def open_on_old_routes(self) -> int:
        """See `Engine.open_on_old_routes`."""
        return sum(self.router.retiring(item) for item in self.observe().role(Role.ROUTER))

    def requests(self, after: LogPosition | None = None) -> LogPart:
        """See `Engine.requests`."""
        return self.router.requests(after, self.observe())

    def usage(self, container: Container) -> Usage:
        """See `Engine.usage`."""
        return read_usage(self._api, container)

    def address(self, container: Container, port: int) -> tuple[str, int] | None:
        """See `Engine.address`: a published loopback port, else the container's own address."""
        if port in container.ports:
            return self.host.forward_port(container.ports[port])
        return self.host.forward_port(port, container.address) if container.address else None

    @cached_property
    def _prober(self) -> Prober:
        return Prober(self._api)

    def run_probe(self, container: Container, argv: Sequence[str], timeout: float) -> Result:
        """See `Engine.run_probe`."""
        return self._prober.run(container.id, argv, timeout)

    def failure_reason(self, container: Container) -> str:
        """See `Engine.failure_reason`."""
        try:
            found = self._api.inspect_container(container.id)
        except NoSuchObject:
            return "is gone"
        state, restarts = found["State"], found["RestartCount"]
        if state["OOMKilled"]:
            return f"ran out of memory (exit code {state['ExitCode']})"
        if restarts:
            code = containers.last_exit(self._api, container.id, state)
            return f"restarted {restarts} times, last exit code {code}"
        if state["Status"] in ("exited", "dead"):
            return f"exited with code {state['ExitCode']}"
        return ""

    def logs(
        self,
        container: Container,
        lines: int,
        age: float | None = None,
        *,
        required: bool = False,
    ) -> list[str]:
        """See `Engine.logs`."""
        try:
            since = None if age is None else containers.now(self._api) - age
            raw: bytes = self._api.logs(container.id, tail=lines, since=since)
        except EngineRefused as error:
            if required:
                raise
            return [f"(no logs: {error.explanation})"]
        return raw.decode("utf-8", "replace").splitlines()

    def _model(self, file: Path) -> dict[str, Any]:
        """A rendered file of a retained release, under the names that are in use today."""
        found = read_model(self.host.files, file)
        current = self.names().current(found)
        if current != found:
            self.host.files.write(file, json.dumps(current, indent=1).encode(), 0o600)
        return current

    def _create_shared(self, model: dict[str, Any]) -> None:
        shared.create(self._api, self.owner, model)

    def _clear(self, found: Iterable[Container]) -> None:
        self._each(lambda item: containers.remove(self._api, item.id), found)

    def _each(self, act: Callable[[Container], object], items: Iterable[Container]) -> None:
        found = list(items)
        if not found:
            return
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(act, found))

    def _started(self, command: list[str]) -> str:
        """Start a container by Compose, which prints its id last."""
        return self._compose(command).out.split()[-1]

    def _compose(self, *commands: list[str]) -> Result:
        result = self.host.run(in_turn(commands), timeout=600)
        if not result.ok:
            if line := full_disk.line(result.err):
                raise full_disk.full(self.host.name, line)
            said = [line for line in result.err.splitlines() if line.strip()]
            raise TowlineError(
                f"docker compose failed: {said[-1] if said else 'no message'}",
                details=said[-10:-1],
            )
        return result
