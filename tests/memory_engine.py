"""An engine in memory: complete by the protocol, and nothing of Compose is in it.

It understands the part of a Compose file that says what services are, and plays jobs by the words
`echo`, `sleep` and `exit` of their command. `tests/engine_contract.py` holds it to what the Compose
engine does.
"""

import json
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from towline.config.services import Role, service_settings
from towline.engines.acts import Act, Effect
from towline.engines.base import Engine
from towline.engines.bundle import (
    PERSISTENT,
    Bundle,
    Draft,
    Guest,
    Mount,
    Resource,
    Source,
)
from towline.engines.image_store import Authentication, ImageStore
from towline.engines.job_failure import JobFailed
from towline.engines.observed import Container, Image, ObservedState
from towline.engines.usage import Usage
from towline.errors import TowlineError, UsageError
from towline.findings import Finding
from towline.health.target import CannotAskError
from towline.hosts.base import Folder, Host, Result
from towline.images.registry import RemoteImage
from towline.images.shipping import Shipped
from towline.routing.nginx import Backend, Routes
from towline.routing.policy import ANYBODY, Policy
from towline.routing.request_reader import LogPart, LogPosition
from towline.state.releases import Release, StateFolder

_FILE = "memory.json"


@dataclass(frozen=True)
class MemoryBundle(Bundle):
    """A description; `definitions` is what stands in the file, service by service."""

    definitions: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MemoryCommands:
    """Acts in words: nothing is typed anywhere."""

    def build(self, services: Sequence[str]) -> tuple[str, ...]:
        """See `Commands.build`."""
        return (f"build {' '.join(services)}",)

    def push(self, references: Sequence[str]) -> tuple[str, ...]:
        """See `Commands.push`."""
        return tuple(f"push {item}" for item in references)

    def pull(self, references: Sequence[str]) -> tuple[str, ...]:
        """See `Commands.pull`."""
        return tuple(f"pull {item}" for item in references)

    def reconcile(self, release: str, effects: Sequence[Effect]) -> tuple[str, ...]:
        """See `Commands.reconcile`."""
        return tuple(f"{item.act} {item.service} of {release}" for item in effects)

    def run_jobs(self, release: str, slot: str, services: Sequence[str]) -> tuple[str, ...]:
        """See `Commands.run_jobs`."""
        return tuple(f"run {name} of {release} in {slot}" for name in services)

    def start(
        self, release: str, slot: str, services: Sequence[str], ready: Sequence[str]
    ) -> tuple[str, ...]:
        """See `Commands.start`."""
        return (f"start {' '.join(services)} of {release} in {slot}",) if services else ()

    def start_ready(self, services: Sequence[str]) -> tuple[str, ...]:
        """See `Commands.start_ready`."""
        return tuple(f"start {name}" for name in services)

    def route(self) -> tuple[str, ...]:
        """See `Commands.route`."""
        return ("route",)


@dataclass
class MemoryImages:
    """Every image is there but those that were `lost`; see `ImageStore`."""

    lost: set[str] = field(default_factory=set)
    removed: Callable[[str], None] = lambda _: None

    def find(self, reference: str) -> Image | None:
        """See `ImageStore.find`."""
        return None if reference in self.lost else Image(reference, reference)

    def missing(self, images: Collection[str]) -> set[str]:
        """See `ImageStore.missing`."""
        return set(images) & self.lost

    def names(self, image: str) -> list[str]:
        """See `ImageStore.names`."""
        return [] if image in self.lost else [image]

    def platform(self) -> str:
        """See `ImageStore.platform`."""
        return "amd64"

    def tag(self, image: str, reference: str) -> None:
        """See `ImageStore.tag`."""
        self.lost.discard(reference)

    def set_aside(self, reference: str) -> str:
        """See `ImageStore.set_aside`."""
        return ""

    def own_names(self, reference: str, tags: Collection[str]) -> list[str]:
        """See `ImageStore.own_names`."""
        return [] if reference in self.lost else [reference]

    def remove(self, reference: str, tags: Collection[str]) -> list[str]:
        """See `ImageStore.remove`."""
        self.removed(reference)
        return [reference]

    def count_known(self, layers: Sequence[str]) -> int:
        """See `ImageStore.count_known`."""
        return len(layers)

    def missing_layers(self, source: ImageStore, reference: str) -> dict[str, int]:
        """See `ImageStore.missing_layers`."""
        return {}

    def expect(self, reference: str) -> None:
        """See `ImageStore.expect`."""

    def receive(self, source: ImageStore, reference: str) -> Shipped:
        """See `ImageStore.receive`."""
        self.lost.discard(reference)
        return Shipped()

    def done(self, reference: str) -> None:
        """See `ImageStore.done`."""

    def ask_digest(self, reference: str, auth: Authentication) -> str:
        """See `ImageStore.ask_digest`."""
        return ""

    def pull(self, reference: str, auth: Authentication, remote_image: RemoteImage | None) -> int:
        """See `ImageStore.pull`."""
        self.lost.discard(reference)
        return 0

    def push(self, reference: str, auth: Authentication) -> tuple[int, int]:
        """See `ImageStore.push`."""
        return 0, 0


def make_memory_engine(host: Host, state: StateFolder, project: str, environment: str) -> Engine:
    """An engine in memory; that it is one, mypy says."""
    return MemoryEngine(host, state, project, environment)


@dataclass
class MemoryEngine:
    """One environment; see `Engine`.

    Attributes:
        containers: Slot and service -> release and whether it runs.
        replicas: Slot and service -> how many containers, where it is not one.
        persistent: Backing service or router -> whether it runs.
        applied: Persistent service -> its definition as it was applied last.
        roles: Service -> role.
        shares: Slot -> percentage of traffic.
        printed: Container -> what it printed.
        logged: What the router logged.
        keeps_log: Whether it logs.
        used: Container -> what it uses.
    """

    host: Host
    state: StateFolder
    project: str
    environment: str
    containers: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)
    replicas: dict[tuple[str, str], int] = field(default_factory=dict)
    persistent: dict[str, bool] = field(default_factory=dict)
    applied: dict[str, Any] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    shares: dict[str, int] = field(default_factory=dict)
    printed: dict[str, list[str]] = field(default_factory=dict)
    policy: Policy = ANYBODY
    logged: list[bytes] = field(default_factory=list)
    keeps_log: bool = True
    used: dict[str, Usage] = field(default_factory=dict)
    noted: Path | None = None
    images: MemoryImages = field(default_factory=MemoryImages)

    @property
    def commands(self) -> MemoryCommands:
        """See `Engine.commands`."""
        return MemoryCommands()

    @property
    def configuration(self) -> Folder:
        """See `Engine.configuration`."""
        return self.host.files.folder(self.state.live)

    def describe(self, source: Source) -> Bundle:
        """See `Engine.describe`."""
        file = source.files[0]
        if not file.is_file():
            raise UsageError(f"{file} does not exist", remedy="create it")
        found = (yaml.safe_load(file.read_text()) or {}).get("services") or {}
        try:
            services = {name: service_settings(item) for name, item in found.items()}
        except ValidationError as error:
            said = error.errors()[0]
            raise UsageError(f"{file}: {said['loc']}: {said['msg']}") from None
        images = {name: str(item.get("image", "")) for name, item in found.items()}
        mounts = {
            name: tuple(
                Mount((file.parent / volume.split(":")[0]).resolve(), volume.split(":")[1])
                for volume in item.get("volumes") or []
                if volume.startswith(".")
            )
            for name, item in found.items()
        }
        return MemoryBundle(services, images, {}, mounts, source.tree, (), found)

    def build(
        self,
        draft: Draft,
        services: Sequence[str],
        content: str,
        check_cancelled: Callable[[], None] | None = None,
    ) -> None:
        """See `Engine.build`."""
        for name in services:
            self.images.lost.discard(draft.bundle.built[name])

    def prepare(self, draft: Draft) -> dict[str, bytes]:
        """See `Engine.prepare`."""
        assert isinstance(draft.bundle, MemoryBundle)
        reads = self.reads(draft, *Role)
        definitions = {
            name: {**item, "image": draft.images.get(name), "reads": [*map(str, reads[name])]}
            for name, item in draft.bundle.definitions.items()
        }
        return {_FILE: json.dumps(definitions).encode()}

    def adopt(self, guest: Guest, inside: Path, data: bytes) -> bytes:
        """See `Engine.adopt`."""
        root = guest.release.folder.parent.parent
        return data.replace(str(root).encode(), str(self.state.root).encode())

    def reads(self, wanted: Release | Draft, *roles: Role) -> dict[str, list[Path]]:
        """See `Engine.reads`."""
        if isinstance(wanted, Draft):
            return wanted.bundle.reads(*roles)
        found, names = self._definitions(wanted), wanted.named(*roles)
        return {name: [*map(Path, found[name]["reads"])] for name in names if name in found}

    def reader(self, wanted: Release | Bundle | Draft, service: str) -> int | None:
        """See `Engine.reader`."""
        return None

    def secret_files(self, release: Path) -> list[Path]:
        """See `Engine.secret_files`."""
        return []

    def inspect(self, bundle: Bundle, secrets: Collection[str]) -> list[Finding]:
        """See `Engine.inspect`."""
        return []

    def inspect_host(self, disk_free: int) -> list[Finding]:
        """See `Engine.inspect_host`."""
        return []

    def inspect_room(self, bundle: Bundle, peak: Mapping[str, int]) -> list[Finding]:
        """See `Engine.inspect_room`."""
        return []

    def inspect_claims(self, draft: Draft) -> list[Finding]:
        """See `Engine.inspect_claims`."""
        return []

    def inspect_router(self, bundle: Bundle, configuration: Folder) -> list[Finding] | None:
        """See `Engine.inspect_router`."""
        return []

    def ping(self) -> None:
        """See `Engine.ping`."""

    def wait(self, limit: float) -> None:
        """See `Engine.wait`."""

    def register(self) -> Path:
        """See `Engine.register`."""
        self.noted = self.noted or self.state.root
        return self.noted

    def registered(self) -> Path | None:
        """See `Engine.registered`."""
        return self.noted

    def unregister(self) -> None:
        """See `Engine.unregister`."""
        self.noted = None

    def router_failure_reason(self, observed: ObservedState) -> str:
        """See `Engine.router_failure_reason`."""
        routers = observed.role(Role.ROUTER)
        return "" if any(item.running for item in routers) else "the router is not running"

    def detached(self, observed: ObservedState) -> list[str]:
        """See `Engine.detached`."""
        return []

    def reattach(self, services: Sequence[str]) -> str:
        """See `Engine.reattach`."""
        return f"{', '.join(services)} restarted"

    def observe(self) -> ObservedState:
        """See `Engine.observe`."""
        slots = [
            Container(
                id=f"{slot}-{service}-{number}", name=f"{slot}-{service}-{number}",
                service=service, role=self.roles.get(service, Role.BACKING), slot=slot,
                state="running" if running else "exited",
                status="Up 5 seconds" if running else "Exited (0)", release=release,
                version=release,
            )
            for (slot, service), (release, running) in self.containers.items()
            for number in range(1, self.replicas.get((slot, service), 1) + 1)
        ]  # fmt: skip
        persistent = [
            Container(
                id=name, name=name, service=name, role=self.roles.get(name, Role.BACKING),
                state="running" if running else "exited",
                status="Up 5 seconds" if running else "Exited (0)",
                health="healthy" if running else "",
            )
            for name, running in self.persistent.items()
        ]  # fmt: skip
        return ObservedState((*slots, *persistent))

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
        if isinstance(wanted, Draft):
            definitions = json.loads(self.prepare(wanted)[_FILE])
        else:
            release = wanted.release if isinstance(wanted, Guest) else wanted
            definitions = self._definitions(release)
        found = [effect for name in definitions if (effect := self._effect(name, definitions))]
        return [item for item in found if not (spare and item.interrupts)]

    def reconcile(
        self,
        release: Release,
        renewed: Mapping[str, Sequence[Path]] | None = None,
        *,
        spare: bool = False,
    ) -> list[str]:
        """See `Engine.reconcile`."""
        definitions = self._definitions(release)
        effects = self.forecast(release, {}, {}, renewed or {}, spare=spare)
        for effect in effects:
            self.roles[effect.service] = effect.role
            self.persistent[effect.service] = True
            self.applied[effect.service] = definitions[effect.service]
        return [str(effect) for effect in effects]

    def renew(self, release: Release, renewed: Mapping[str, Sequence[Path]]) -> list[str]:
        """See `Engine.renew`."""
        return [f"{name} reloaded" for name in renewed]

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
        check_cancelled()
        command = " ".join(self._definitions(release)[service].get("command") or [])
        said = re.findall(r"echo ([\w ]+)", command)
        if sum(map(int, re.findall(r"sleep (\d+)", command))) > timeout:
            raise JobFailed(
                f"job {service} of release {release.id} did not end within {timeout} s, and was "
                "stopped", log=said,
            )  # fmt: skip
        if code := sum(map(int, re.findall(r"exit (\d+)", command))):
            raise JobFailed(
                f"job {service} of release {release.id} exited with code {code}", log=said
            )
        return "\n".join(said)

    def stop_jobs(self, release: str) -> list[str]:
        """See `Engine.stop_jobs`."""
        return []

    def start(
        self, release: Release, slot: str, replicas: Mapping[str, int], ready: Sequence[str] = ()
    ) -> None:
        """See `Engine.start`."""
        for name in ready if replicas else ():
            if not self.containers.get((slot, name), ("", False))[1]:
                self.containers[slot, name] = (release.id, False)
        for name, count in replicas.items():
            self.containers[slot, name] = (release.id, True)
            self.replicas[slot, name] = count
            for number in range(1, count + 1):
                self.printed[f"{slot}-{name}-{number}"] = [f"{name} of {release.id} started"]
        for name in (*replicas, *ready):
            self.roles[name] = release.settings(name).role

    def stop(self, slot: str, services: Sequence[str]) -> None:
        """See `Engine.stop`."""
        for name in services:
            if (slot, name) in self.containers:
                self.containers[slot, name] = (self.containers[slot, name][0], False)

    def resources(self) -> list[Resource]:
        """See `Engine.resources`."""
        return [Resource("volume", name, is_data=True) for name in self.applied]

    def destroy(self, *, data: bool) -> list[str]:
        """See `Engine.destroy`."""
        self.containers.clear()
        self.persistent.clear()
        self.shares = {}
        if data:
            self.applied.clear()
            self.unregister()
        return []

    def routes(self, observed: ObservedState) -> Routes:
        """See `Engine.routes`."""
        apps = sorted(name for name, role in self.roles.items() if role == Role.APP)
        return Routes("g", {name: Backend(8000, self.shares) for name in apps if self.shares})

    def route(self, release: Release, shares: Mapping[str, int], policy: Policy = ANYBODY) -> None:
        """See `Engine.route`."""
        if release.router:
            if not self.persistent.get(release.router):
                raise TowlineError("the router is not running")
            self.shares = dict(shares)
            self.policy = policy

    def pin(self, slot: str, replicas: Mapping[str, int]) -> bool:
        """See `Engine.pin`; requests take no time here."""
        return False

    def open_on_old_routes(self) -> int:
        """See `Engine.open_on_old_routes`."""
        return 0

    def requests(self, after: LogPosition | None = None) -> LogPart:
        """See `Engine.requests`."""
        if not self.keeps_log:
            raise TowlineError("the router keeps no request log")
        start = len(self.logged) if after is None else after.offset
        return LogPart(tuple(self.logged[start:]), LogPosition(b"", len(self.logged)))

    def usage(self, container: Container) -> Usage:
        """See `Engine.usage`."""
        if self.failure_reason(container):
            raise TowlineError(f"container {container.name} does not run")
        return self.used.get(container.id, Usage(1.0, 1.0, 10**6, 10**9, 0, 0, time.monotonic()))

    def address(self, container: Container, port: int) -> tuple[str, int] | None:
        """See `Engine.address`."""
        return None

    def run_probe(self, container: Container, argv: Sequence[str], timeout: float) -> Result:
        """See `Engine.run_probe`; played as a job is."""
        if self.failure_reason(container):
            raise CannotAskError(f"the container does not run: {container.name}")
        command = " ".join(argv)
        if argv[0] not in ("sh", "echo", "sleep"):
            return Result(tuple(argv), 127, "", f"{argv[0]}: not found")
        if sum(map(int, re.findall(r"sleep (\d+)", command))) > timeout:
            raise TimeoutError(f"did not end within {timeout:g} s")
        said = "".join(f"{text.strip()}\n" for text in re.findall(r"echo ([\w ]+)", command))
        return Result(tuple(argv), sum(map(int, re.findall(r"exit (\d+)", command))), said, "")

    def failure_reason(self, container: Container) -> str:
        """See `Engine.failure_reason`."""
        there = next((item for item in self.observe().containers if item.id == container.id), None)
        return "" if there and there.running else "exited with code 3"

    def logs(
        self,
        container: Container,
        lines: int,
        age: float | None = None,
        *,
        required: bool = False,
    ) -> list[str]:
        """See `Engine.logs`."""
        return self.printed.get(container.id, [])[-lines:]

    def _definitions(self, release: Release) -> dict[str, Any]:
        """What was prepared for a release; nothing where its folder is not there."""
        try:
            found: dict[str, Any] = json.loads(self.host.files.read(release.folder / _FILE))
        except FileNotFoundError:
            return {}
        return found

    def _effect(self, name: str, definitions: Mapping[str, Any]) -> Effect | None:
        role = service_settings(definitions[name]).role
        if role not in PERSISTENT:
            return None
        if name not in self.persistent:
            return Effect(name, role, Act.CREATE)
        if self.applied.get(name) != definitions[name]:
            return Effect(name, role, Act.RECREATE, ("it is defined otherwise",))
        return None if self.persistent[name] else Effect(name, role, Act.START)
