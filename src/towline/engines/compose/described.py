"""What an environment's description says, is made of, and needs on one Docker host."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline import scratch
from towline.config.services import Role
from towline.engines.bundle import Bundle, Draft, Guest, Source
from towline.engines.compose import users
from towline.engines.compose.commands import compose_command
from towline.engines.compose.compose_file import ComposeFile, own_part, resolve
from towline.engines.compose.drafts import Drafts, as_json, secret_files
from towline.engines.compose.files import BUILD
from towline.engines.compose.images import DockerImages
from towline.engines.compose.names import Names, compose_project
from towline.engines.compose.ownership import Owner, foreign, names_in_use, refuse_foreign
from towline.engines.observed import ObservedState, parse_containers
from towline.errors import TowlineError
from towline.findings import Finding
from towline.hosts import full_disk
from towline.hosts.base import Folder, Host
from towline.state.releases import Release, StateFolder

if TYPE_CHECKING:
    from docker import APIClient

# Who the router runs as where Towline itself is root: the number of the official nginx image.
_ROUTER_UID = 101


@dataclass(frozen=True)
class Described:
    """One environment on one Docker host: what is to run there."""

    host: Host
    state: StateFolder
    project: str
    environment: str

    @property
    def _api(self) -> APIClient:
        return self.host.docker().api

    @property
    def owner(self) -> Owner:
        """Whose things it may touch."""
        return Owner(self.project, self.environment)

    def names(self) -> Names:
        """What its Compose projects, networks and volumes are called on this host."""
        return names_in_use(self._api, self.owner)

    @cached_property
    def images(self) -> DockerImages:
        """The images of its host."""
        return DockerImages(self.host)

    @property
    def _drafts(self) -> Drafts:
        return Drafts(self.host, self.state, self.owner, self.names)

    @property
    def configuration(self) -> Folder:
        """See `Engine.configuration`: what containers mount."""
        return self.host.files.folder(self.state.live)

    def describe(self, source: Source) -> ComposeFile:
        """See `Engine.describe`: `docker compose config` on this machine."""
        uid = str(self.host.user_id() or _ROUTER_UID)
        own = {
            # It stands in image tags, and they know no `+`; containers get the version as it is.
            "TOWLINE_VERSION": source.version.replace("+", "_"),
            "TOWLINE_COMMIT": source.commit,
            "TOWLINE_ENV": self.environment,
            "TOWLINE_ROUTES": str(self.state.routes),
            "TOWLINE_UID": uid,
            "TOWLINE_GID": uid,
        }
        project = compose_project(self.project, self.environment)
        return resolve(source, project=project, own=own)

    def prepare(self, draft: Draft) -> dict[str, bytes]:
        """See `Engine.prepare`."""
        models = self._drafts.models(draft)
        for model in models.values():
            refuse_foreign(self._api, self.owner, model)
        return {name: as_json(model) for name, model in models.items()}

    def adopt(self, guest: Guest, inside: Path, data: bytes) -> bytes:
        """See `Engine.adopt`."""
        return self._drafts.adopt(guest, inside, data)

    def reads(self, wanted: Release | Draft, *roles: Role) -> dict[str, list[Path]]:
        """See `Engine.reads`."""
        return self._drafts.reads(wanted, *roles)

    def reader(self, wanted: Release | Bundle | Draft, service: str) -> int | None:
        """See `Engine.reader`."""
        definition = self._drafts.definition(wanted, service)
        user = users.user_id(self._api, definition)
        return None if user == 0 and users.reads_everything(definition) else user

    def secret_files(self, release: Path) -> list[Path]:
        """See `Engine.secret_files`."""
        return list(secret_files(self.host, release))

    def inspect(self, bundle: Bundle, secrets: Collection[str]) -> list[Finding]:
        """See `Engine.inspect`."""
        from towline.engines.compose.inspection import inspect_file

        return inspect_file(own_part(bundle), secrets)

    def inspect_host(self, disk_free: int) -> list[Finding]:
        """See `Engine.inspect_host`."""
        from towline.engines.compose.inspection import inspect_host

        return inspect_host(self.host, self.state, disk_free)

    def inspect_room(self, bundle: Bundle, peak: Mapping[str, int]) -> list[Finding]:
        """See `Engine.inspect_room`: memory and CPUs, by what the engine says it has."""
        from towline.engines.compose.check_room import check_room

        services: dict[str, Any] = own_part(bundle).model["services"]
        info = self._api.info()
        has = {"memory": float(info.get("MemTotal") or 0), "cpus": float(info.get("NCPU") or 0)}
        # An engine that does not say what it has is believed to have enough.
        has = {name: amount or float("inf") for name, amount in has.items()}
        return [*check_room(services, peak, has)]

    def inspect_claims(self, draft: Draft) -> list[Finding]:
        """See `Engine.inspect_claims`: names of containers, networks and volumes; ports."""
        from towline.engines.compose.inspection import inspect_ports

        models = self._drafts.models(draft).values()
        found = [item for model in models for item in foreign(self._api, self.owner, model)]
        ports = inspect_ports(self.host, own_part(draft.bundle), self.observe())
        return [*dict.fromkeys(found), *ports]

    def inspect_router(self, bundle: Bundle, configuration: Folder) -> list[Finding] | None:
        """See `Engine.inspect_router`."""
        from towline.engines.compose.inspection import inspect_router

        return inspect_router(self.host, own_part(bundle), self.state, configuration)

    def ping(self) -> None:
        """See `Engine.ping`."""
        self.host.docker().ping()

    def observe(self) -> ObservedState:
        """See `Engine.observe`; one question to the engine."""
        return parse_containers(self._api.containers(all=True, filters=self.owner.filters))

    def build(
        self,
        draft: Draft,
        services: Sequence[str],
        content: str,
        check_cancelled: Callable[[], None] | None = None,
    ) -> None:
        """See `Engine.build`."""
        with scratch.folder() as folder:
            file = folder / BUILD
            file.write_bytes(self._drafts.build_file(draft, content))
            command = compose_command(file, "build", *services)
            result = self.host.run(command, timeout=3600, check_cancelled=check_cancelled)
        if not result.ok:
            if line := full_disk.line(result.err):
                raise full_disk.full(self.host.name, line)
            said = [line for line in result.err.splitlines() if line.strip()]
            raise TowlineError(
                f"the build of {', '.join(services)} failed", details=said[-15:],
                remedy=f"fix it; `docker compose -f {file} build` shows all of it",
            )  # fmt: skip
