"""The router's container: write, test, reload, verify.

The configuration is tested inside the running container before it is used; when the test or
the reload fails, the files of before are put back and the old routes stay in force.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline.config.services import Role
from towline.engines.compose import containers, live, signals
from towline.engines.compose.files import persistent_file, read_model
from towline.engines.compose.render import REQUEST_LOG, has_log_room, mounts
from towline.engines.observed import Container, ObservedState
from towline.errors import HostLost, TowlineError
from towline.hosts import full_disk
from towline.hosts.base import Host
from towline.routing import nginx, request_log
from towline.routing.nginx import Backend, Routes
from towline.routing.policy import ANYBODY, Policy
from towline.routing.request_reader import LogPart, LogPosition, NoRequestLog, read_log
from towline.state.releases import Release, ReleaseStore, StateFolder

if TYPE_CHECKING:
    from docker import APIClient

_POLL = 0.02
_RELOAD_LIMIT = 10.0
_STAMP = re.compile(r"^(nginx: )?(\d{4}/\d\d/\d\d [\d:]+ )?\[(?P<level>\w+)\] (\d+#\d+: )?")
# Several answers in a row on fresh connections, which different workers may give.
_SURE = 3
# What nginx's processes call themselves; source: ngx_process_cycle.c.
_WORKER, _RETIRING = "worker process", "shutting down"

# What the router mounts from the deploy tree, and the files of routes.
_Before = tuple[live.Snapshot, dict[Path, bytes]]


@dataclass
class Router:
    """The nginx container of one environment."""

    host: Host
    state: StateFolder
    _versions: dict[str, tuple[int, ...]] = field(default_factory=dict)
    _with_log_room: dict[str, bool] = field(default_factory=dict)

    @property
    def _file(self) -> Path:
        return self.state.routes / nginx.ROUTES_FILE

    @property
    def _include(self) -> Path:
        return self.state.routes / request_log.INCLUDE_FILE

    @property
    def _api(self) -> APIClient:
        return self.host.docker().api

    def prepare(self, release: Release) -> None:
        """Give the router routes that lead nowhere, so that it can start before any app."""
        if release.router and not self.host.files.exists(self._file):
            self.host.files.mkdir(self.state.routes)
            self._write(Routes("none", self._backends(release, {}, ObservedState())))
        if release.router:
            self._forget_log(release)

    def read(self, observed: ObservedState) -> Routes:
        """The routes in force: what the router itself says, else what its file says."""
        for container in observed.role(Role.ROUTER):
            if container.running and nginx.ASK_PORT in container.ports:
                try:
                    return nginx.ask(self.host.forward_port(container.ports[nginx.ASK_PORT]))
                except (OSError, ValueError):
                    break
        try:
            text = self.host.files.read(self._file).decode()
            return nginx.parse_file(text)
        except (FileNotFoundError, ValueError):
            return Routes()

    def failure_reason(self, observed: ObservedState) -> str:
        """Why it serves nobody, asked on its own port; empty when it does, or there is none."""
        found = observed.role(Role.ROUTER)
        if not found:
            return "the router has no container"
        container = next((item for item in found if item.running), found[0])
        if not container.running:
            return f"the router is not running: {container.status or container.state}"
        if nginx.ASK_PORT not in container.ports:
            return f"the router does not publish port {nginx.ASK_PORT} on this host"
        try:
            nginx.ask(self.host.forward_port(container.ports[nginx.ASK_PORT]))
        except (OSError, ValueError) as error:
            return f"the router does not answer: {error}"
        return ""

    def keep_routes(self, observed: ObservedState) -> None:
        """Write the routes in force where the router looks for them at its next start."""
        routes = self.read(observed)
        if routes.backends:
            self.host.files.mkdir(self.state.routes)
            self._write(routes)

    def forget_routes(self) -> None:
        """Take the files of routes away."""
        self.host.files.remove(self._file)
        self.host.files.remove(self._include)

    def requests(self, after: LogPosition | None, observed: ObservedState) -> LogPart:
        """What it logged after a position; the log is begun anew when it is long.

        Raises:
            TowlineError: When it does not run, does not answer, or keeps no log.
        """
        container = self._running(observed)
        try:
            address = self.host.forward_port(container.ports[nginx.ASK_PORT])
            part = read_log(address, after, full_at=request_log.SIZE - request_log.ROTATE_AT)
        except OSError as error:
            raise TowlineError(f"the router does not answer: {error}") from None
        except NoRequestLog:
            raise self._without_log(container) from None
        if part.size >= request_log.ROTATE_AT:
            # Whoever reads without the lock of an operation that runs must not fail for it: what
            # could not be begun anew is full one day, and readers are told.
            with suppress(TowlineError):
                self._exec(container, ["sh", "-c", request_log.rotation_script()])
        return part

    def _without_log(self, container: Container) -> TowlineError:
        if self._has_log_room(container):
            return TowlineError(
                "the router keeps no request log",
                remedy="set `analysis: {request_log: true}` in towline.yaml; the next release "
                "that is deployed begins it",
            )
        return TowlineError(
            f"the router's container {container.name} was created by an earlier version of "
            "Towline, and has no room for a request log",
            remedy="deploy a new release: it recreates the router",
        )

    def switch(
        self,
        release: Release,
        shares: Mapping[str, int],
        observed: ObservedState,
        policy: Policy = ANYBODY,
    ) -> None:
        """Put a release's router configuration and these shares in force.

        Raises:
            TowlineError: When the router is not running, or refuses the configuration.
        """
        container = self._running(observed)
        version = self._version(container)
        before = self._snapshot(release)
        backends = self._backends(release, shares, observed)
        try:
            changed = self._sync(release)
            reached = [*(slot for slot, share in shares.items() if share), policy.preview_slot]
            log = self._log_of(release, filter(None, reached), observed, container)
            wanted = Routes("", backends, policy=policy, log=log)
            if not changed and self._in_force(wanted, observed, version):
                return
            self._put(container, wanted, version)
        except (TowlineError, OSError):
            self._put_back(before)
            # What it says now is of no use: the reason for the way back is told.
            with suppress(TowlineError):
                self._reload(container)
            raise

    def pin(self, slot: str, names: Mapping[str, tuple[str, ...]], observed: ObservedState) -> bool:
        """Send a slot's requests only to some of its containers, until the next switch.

        The alias of a slot means all that run there, at once; a name means one container.

        Args:
            slot: The slot.
            names: Service -> containers; a service that has none of them is left as it is.
            observed: What is there.

        Returns:
            Whether routes changed.

        Raises:
            TowlineError: When the router refuses them; then the earlier ones stay in force.
        """
        routes = self.read(observed)
        backends = {
            service: replace(backend, only={**backend.only, slot: names[service]})
            if names.get(service) and _is_reached(slot, backend, routes.policy)
            else backend
            for service, backend in routes.backends.items()
        }
        if backends == routes.backends:
            return False
        container = self._running(observed)
        before = self.host.files.read(self._file)
        try:
            self._put(container, replace(routes, backends=backends), self._version(container))
        except (TowlineError, OSError):
            with suppress(OSError, TowlineError):
                self.host.files.overwrite(self._file, before)
                self._reload(container)
            raise
        return True

    def _put(self, container: Container, wanted: Routes, version: tuple[int, ...]) -> None:
        """Write routes, test them, put them in force, and make sure that they are."""
        routes = replace(wanted, generation=uuid.uuid4().hex[:12])
        self._overwrite(routes, version)
        self._test(container)
        old = self._accepting(container)
        self._reload(container)
        self._verify(container, routes, old)

    def reload(self, observed: ObservedState) -> None:
        """Let it read its files again, such as a renewed certificate; the routes stay.

        Raises:
            TowlineError: When it is not running, or refuses them; then it goes on with the old.
        """
        container = self._running(observed)
        self._test(container)
        routes, old = self.read(observed), self._accepting(container)
        self._reload(container)
        self._verify(container, routes, old)

    def retiring(self, container: Container) -> int:
        """How many worker processes still finish requests of earlier routes."""
        if not container.running:
            return 0
        return sum(_RETIRING in command for command in self._processes(container).values())

    def _accepting(self, container: Container) -> set[str]:
        """Numbers of the worker processes that take new connections."""
        found = self._processes(container)
        return {pid for pid, said in found.items() if _WORKER in said and _RETIRING not in said}

    def _processes(self, container: Container) -> dict[str, str]:
        """Process number -> what nginx says it is doing."""
        listing: dict[str, Any] = self._api.top(container.id)
        pid = listing["Titles"].index("PID")
        return {row[pid]: row[-1] for row in listing["Processes"] or []}

    def _backends(
        self, release: Release, shares: Mapping[str, int], observed: ObservedState
    ) -> dict[str, Backend]:
        """Where each app service of a release gets its traffic.

        A service that only one of two releases has gets all of it there.
        """
        store, ports = ReleaseStore(self.host.files, self.state), dict[str, Mapping[str, int]]()
        for slot in shares if len(shares) > 1 else ():
            there = store.get(observed.release_of(slot)) or release
            names = there.named(Role.APP)
            ports[slot] = {name: there.settings(name).port or 0 for name in names}
        found = {}
        for name in release.named(Role.APP):
            port = release.settings(name).port or 0
            having = {slot: share for slot, share in shares.items() if name in ports.get(slot, ())}
            parts = dict.fromkeys(having, 100) if len(having) == 1 else dict(shares)
            other = {slot: ports[slot][name] for slot in having if ports[slot][name] != port}
            found[name] = Backend(port, parts, other)
        return found

    def _running(self, observed: ObservedState) -> Container:
        found = observed.role(Role.ROUTER)
        for container in found:
            if container.running and nginx.ASK_PORT in container.ports:
                return container
        state = found[0].status or found[0].state if found else "does not exist"
        raise TowlineError(
            f"the router is not running: {state}",
            details=self._logs(found[0], self._started(found[0])) if found else (),
            remedy="look at its configuration in the deploy tree (security/nginx)",
        )

    def _snapshot(self, release: Release) -> _Before:
        """The files of the switch as they are."""
        files = self.host.files
        model = read_model(files, persistent_file(release))
        paths = mounts(model, self.state.live).get(release.router or "", [])
        ours = [path for path in (self._file, self._include) if files.exists(path)]
        return live.snapshot(files, self.state, paths), {path: files.read(path) for path in ours}

    def _sync(self, release: Release) -> bool:
        """Bring the router's own files to the release's; returns whether one changed."""
        files = self.host.files
        model = read_model(files, persistent_file(release))
        done = live.sync(files, self.state, model, [release.router or ""], release)
        return bool(done.changed)

    def _log_of(
        self, release: Release, slots: Iterable[str], observed: ObservedState, container: Container
    ) -> dict[str, str] | None:
        """Slot -> release, for the request log; None where none is to be kept."""
        there = {slot: observed.release_of(slot) for slot in slots}
        store = ReleaseStore(self.host.files, self.state)
        # While two share traffic, a log that only one of them asks for tells of both.
        releases = [release, *filter(None, map(store.get, there.values()))]
        said = [self._asks_for_log(item) for item in releases]
        # A release of an earlier Towline says nothing: the log goes on over a rollback.
        is_silent = all(wanted is None for wanted in said)
        is_wanted = self.read(observed).log is not None if is_silent else any(said)
        return there if is_wanted and self._has_log_room(container) else None

    def _asks_for_log(self, release: Release) -> bool | None:
        """Whether a release is to have the log; None when it does not say."""
        try:
            model = read_model(self.host.files, persistent_file(release))
        except FileNotFoundError:
            return None
        found: bool | None = model.get(REQUEST_LOG)
        return found

    def _has_log_room(self, container: Container) -> bool:
        """Whether its container was made with a place for the log."""
        if container.id not in self._with_log_room:
            found = self._api.inspect_container(container.id)["HostConfig"].get("Tmpfs") or {}
            self._with_log_room[container.id] = request_log.FOLDER in found
        return self._with_log_room[container.id]

    def _forget_log(self, release: Release) -> None:
        """Write routes without a log where the router's next container has no place for one.

        An earlier version of Towline describes no such place, and nginx would not start.
        """
        model = read_model(self.host.files, persistent_file(release))
        with suppress(FileNotFoundError, ValueError):
            routes = nginx.parse_file(self.host.files.read(self._file).decode())
            if routes.log is not None and not has_log_room(model["services"][release.router]):
                self._overwrite(replace(routes, log=None))

    def _write(self, routes: Routes) -> None:
        self.host.files.write(self._file, nginx.render(routes).encode())
        self.host.files.write(self._include, nginx.render_include(routes).encode())

    def _overwrite(self, routes: Routes, version: tuple[int, ...] = (0,)) -> None:
        text = nginx.render(routes, nginx_version=version)
        self.host.files.overwrite(self._file, text.encode())
        self.host.files.overwrite(self._include, nginx.render_include(routes).encode())

    def _in_force(self, routes: Routes, observed: ObservedState, version: tuple[int, ...]) -> bool:
        """Whether the running router has these very routes.

        Then nothing is written: a host whose disk is full can be told to stay as it is.
        """
        now = self.read(observed)
        wanted = replace(routes, generation=now.generation)
        try:
            text = self.host.files.read(self._file).decode()
        except FileNotFoundError:
            return False
        return now == wanted and text == nginx.render(wanted, nginx_version=version)

    def _put_back(self, before: _Before) -> None:
        files, (snapshot, ours) = self.host.files, before
        # What could not be written is as it was; a full disk must not hide why it failed.
        with suppress(OSError):
            if self._include not in ours:
                files.remove(self._include)
            for path, data in ours.items():
                if files.read(path) != data:
                    files.overwrite(path, data)
        live.put_back(files, self.state, snapshot)

    def _test(self, container: Container) -> None:
        code, output = self._exec(container, ["nginx", "-t", "-q"])
        if code != 0:
            lines = [_STAMP.sub("", line) for line in output.splitlines() if line.strip()]
            # It writes its process number too, and says nothing against the configuration then.
            if full_disk.line(output):
                raise full_disk.full(self.host.name, full_disk.line("\n".join(lines)))
            raise TowlineError(
                f"nginx refuses the new configuration: {(lines or [f'exit code {code}'])[0]}",
                details=lines[1:],
                remedy="fix security/nginx in the deploy tree, promote and deploy again",
            )

    def _reload(self, container: Container) -> None:
        """Let it read its files again; never by the engine's kill API, see `signals`."""
        code, output = self._exec(container, ["nginx", "-s", "reload"])
        if code == 0:
            return
        try:
            # Started with another configuration file, nginx does not find its own process.
            signals.send(self._api, container.id, "SIGHUP", ())
        except HostLost:
            raise
        except TowlineError:
            said = [_STAMP.sub("", line) for line in output.splitlines() if line.strip()]
            raise TowlineError(
                f"`nginx -s reload` failed: {(said or [f'exit code {code}'])[0]}", details=said[1:]
            ) from None

    def _verify(self, container: Container, routes: Routes, old: set[str]) -> None:
        """Wait until the router says, several times in a row, that it serves these routes.

        On a busy machine a worker process of the old routes may take connections for a while after
        the new ones do.
        """
        address = self.host.forward_port(container.ports[nginx.ASK_PORT])
        deadline, began = time.monotonic() + _RELOAD_LIMIT, containers.now(self._api)
        seen = 0
        while time.monotonic() < deadline:
            try:
                seen = seen + 1 if nginx.ask(address).generation == routes.generation else 0
            except (OSError, ValueError):
                seen = 0
            if seen >= _SURE and not old & self._accepting(container):
                return
            if not seen or seen >= _SURE:
                time.sleep(_POLL)
        raise TowlineError(
            f"nginx did not take the new configuration within {_RELOAD_LIMIT:.0f} s",
            details=self._logs(container, began),
        )

    def _version(self, container: Container) -> tuple[int, ...]:
        """Its version, which stays what it is for as long as the container does."""
        if container.id not in self._versions:
            _, output = self._exec(container, ["nginx", "-v"])
            match = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", output)
            found = tuple(int(part) for part in match.groups()) if match else (0,)
            self._versions[container.id] = found
        return self._versions[container.id]

    def _exec(self, container: Container, argv: list[str]) -> tuple[int, str]:
        return signals.execute(self._api, container.id, argv)

    def _started(self, container: Container) -> float:
        """When it started last: what a run before that printed explains nothing."""
        found = self._api.inspect_container(container.id)["State"]["StartedAt"]
        return datetime.fromisoformat(str(found)).timestamp()

    def _logs(self, container: Container, since: float) -> list[str]:
        raw: bytes = self._api.logs(container.id, tail=10, since=max(since, 1.0))
        return raw.decode("utf-8", "replace").splitlines()


def _is_reached(slot: str, backend: Backend, policy: Policy) -> bool:
    """Whether a slot gets requests of a service: by its share, or because some ask for it."""
    is_previewed = policy.previews and slot == policy.preview_slot and slot in backend.shares
    return is_previewed or bool(backend.shares.get(slot))
