"""The router's container: write, test, reload, verify.

The configuration is tested inside the running container before it is used; when the test or
the reload fails, the files of before are put back and the old routes stay in force.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline.config.services import Role
from towline.engines import live
from towline.engines.releases import Release, StateFolder
from towline.engines.render import mounts
from towline.engines.world import Container, World
from towline.errors import TowlineError
from towline.hosts.base import Host
from towline.routing import nginx
from towline.routing.nginx import Backend, Routes

if TYPE_CHECKING:
    from docker import APIClient

_POLL = 0.02
_RELOAD_LIMIT = 10.0
_STAMP = re.compile(r"^(nginx: )?(\d{4}/\d\d/\d\d [\d:]+ )?\[(?P<level>\w+)\] (\d+#\d+: )?")
# Several answers in a row on fresh connections: a retiring worker may still accept one.
_SURE = 3


@dataclass
class Router:
    """The nginx container of one environment."""

    host: Host
    state: StateFolder

    @property
    def _api(self) -> APIClient:
        return self.host.docker().api

    def prepare(self, release: Release) -> None:
        """Give the router routes that lead nowhere, so that it can start before any app."""
        file = self.state.routes / nginx.ROUTES_FILE
        if release.router and not self.host.files.exists(file):
            self.host.files.mkdir(self.state.routes)
            routes = Routes("none", self._backends(release, {}))
            self.host.files.write(file, nginx.render(routes).encode())

    def read(self, world: World) -> Routes:
        """The routes in force: what the router itself says, else what its file says."""
        for container in world.role(Role.ROUTER):
            if container.running and nginx.ASK_PORT in container.ports:
                try:
                    return nginx.ask(self.host.reach(container.ports[nginx.ASK_PORT]))
                except (OSError, ValueError):
                    break
        try:
            text = self.host.files.read(self.state.routes / nginx.ROUTES_FILE).decode()
            return nginx.parse_file(text)
        except (FileNotFoundError, ValueError):
            return Routes()

    def switch(self, release: Release, shares: Mapping[str, int], world: World) -> None:
        """Put a release's router configuration and these shares in force.

        Raises:
            TowlineError: When the router is not running, or refuses the configuration.
        """
        container = self._running(world)
        routes = Routes(uuid.uuid4().hex[:12], self._backends(release, shares))
        before = self._write(release, nginx.render(routes, nginx_version=self._version(container)))
        try:
            self._test(container)
            self._api.kill(container.id, "SIGHUP")
            self._verify(container, routes)
        except TowlineError:
            for path, data in before.items():
                self.host.files.overwrite(path, data)
            self._api.kill(container.id, "SIGHUP")
            raise

    def retiring(self, container: Container) -> int:
        """How many worker processes still finish requests of earlier routes."""
        if not container.running:
            return 0
        listing: dict[str, Any] = self._api.top(container.id)
        return sum("shutting down" in " ".join(row) for row in listing["Processes"] or [])

    def _backends(self, release: Release, shares: Mapping[str, int]) -> dict[str, Backend]:
        return {
            name: Backend(release.settings(name).port or 0, dict(shares))
            for name in release.named(Role.APP)
        }

    def _running(self, world: World) -> Container:
        found = world.role(Role.ROUTER)
        for container in found:
            if container.running and nginx.ASK_PORT in container.ports:
                return container
        state = found[0].status or found[0].state if found else "does not exist"
        raise TowlineError(
            f"the router is not running: {state}",
            details=self._logs(found[0]) if found else (),
            remedy="look at its configuration in the deploy tree (security/nginx)",
        )

    def _write(self, release: Release, text: str) -> dict[Path, bytes]:
        """Write the files of the switch; returns what stood there before."""
        files = self.host.files
        model = live.read_model(files, release.kept_file)
        name = release.router or ""
        roots = [self.state.live / path for path in mounts(model, self.state.live).get(name, [])]
        before: dict[Path, bytes] = {}
        for root in (*roots, self.state.routes / nginx.ROUTES_FILE):
            before |= live.snapshot(files, root)
        live.sync(files, model, [name], release.tree, self.state.live)
        files.overwrite(self.state.routes / nginx.ROUTES_FILE, text.encode())
        return before

    def _test(self, container: Container) -> None:
        code, output = self._exec(container, ["nginx", "-t", "-q"])
        if code != 0:
            lines = [_STAMP.sub("", line) for line in output.splitlines() if line.strip()]
            raise TowlineError(
                f"nginx refuses the new configuration: {(lines or [f'exit code {code}'])[0]}",
                details=lines[1:],
                remedy="mend security/nginx in the deploy tree, promote and deploy again",
            )

    def _verify(self, container: Container, routes: Routes) -> None:
        """Wait until the router says, several times in a row, that it serves these routes."""
        address = self.host.reach(container.ports[nginx.ASK_PORT])
        deadline = time.monotonic() + _RELOAD_LIMIT
        seen = 0
        while time.monotonic() < deadline:
            try:
                seen = seen + 1 if nginx.ask(address).generation == routes.generation else 0
            except (OSError, ValueError):
                seen = 0
            if seen == _SURE:
                return
            if not seen:
                time.sleep(_POLL)
        raise TowlineError(
            f"nginx did not take the new configuration within {_RELOAD_LIMIT:.0f} s",
            details=self._logs(container),
        )

    def _version(self, container: Container) -> tuple[int, ...]:
        _, output = self._exec(container, ["nginx", "-v"])
        match = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", output)
        return tuple(int(part) for part in match.groups()) if match else (0,)

    def _exec(self, container: Container, argv: list[str]) -> tuple[int, str]:
        created = self._api.exec_create(container.id, argv)
        output: bytes = self._api.exec_start(created["Id"])
        return self._api.exec_inspect(created["Id"])["ExitCode"], output.decode("utf-8", "replace")

    def _logs(self, container: Container) -> list[str]:
        raw: bytes = self._api.logs(container.id, tail=10)
        return raw.decode("utf-8", "replace").splitlines()
