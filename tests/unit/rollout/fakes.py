"""An engine in memory: what the executor asks of it happens at once, and invariants are watched."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from towline.config.loading import Project, settings_of
from towline.config.redaction import Redactor
from towline.engines.compose.commands import ComposeCommands
from towline.engines.world import Container, World
from towline.environments.fence import Fence
from towline.errors import TowlineError
from towline.hosts.guard import guarded_files
from towline.hosts.local import LocalHost
from towline.promotion import manifest as manifests
from towline.promotion.tree import MANIFEST_FILE
from towline.routing.nginx import Backend, Routes
from towline.state.journal import Journal
from towline.state.releases import Release, ReleaseStore, StateFolder, Status

SERVICES = {
    "api": {"role": "app", "port": 8000},
    "worker": {"role": "worker"},
    "migrate": {"role": "job"},
    "db": {},
    "nginx": {"role": "router"},
}


def release(version, folder, **changes):
    given = {
        "id": version, "version": version, "commit": "c", "fingerprint": version,
        "content": version,
        "images": {}, "services": SERVICES, "folder": folder / "releases" / version,
        "created": f"2026-01-01T00:00:0{version[2]}", **changes,
    }  # fmt: skip
    return Release(**given)


def folder_of(version):
    """The files of a release that is retained, which promoted nothing."""
    manifest = manifests.from_files({}, project="shop", version=version).text()
    return {
        f"tree/{MANIFEST_FILE}": (manifest.encode(), 0o644),
        "env": (b"", 0o600),
        "kept.json": (b'{"services": {}}', 0o600),
    }


@dataclass
class FakeEngine:
    """Keeps containers as (colour, service) -> (release, running)."""

    host: LocalHost = field(default_factory=LocalHost)
    containers: dict = field(default_factory=dict)
    shares: dict = field(default_factory=dict)
    fail_on: set = field(default_factory=set)
    calls: list = field(default_factory=list)
    open: int = 0
    crash: set = field(default_factory=set)
    drained: int = 0
    replicas: dict = field(default_factory=dict)
    pruned: set = field(default_factory=set)
    router: bool = True
    ask: Callable = lambda: None
    state: Path | None = None
    noted: Path | None = None
    trouble_of_router: str = ""
    deleted: tuple = ()
    effects: tuple = ()

    def _called(self, what):
        self.calls.append(what)
        if what in self.fail_on:
            raise TowlineError(f"{what} does not work")

    @property
    def commands(self):
        return ComposeCommands(StateFolder(self.state))

    def wait(self, limit):
        self._called("wait")

    def register(self):
        self.noted = self.noted or self.state
        return self.noted

    def registered(self):
        return self.noted

    def router_trouble(self, world):
        stopped = "" if self.router else "the router is not running: Exited (0)"
        return self.trouble_of_router or stopped

    def detached(self, world):
        return list(self.deleted)

    def reattach(self, services):
        self._called(f"reattach {' '.join(services)}")
        self.deleted = ()
        return ""

    def unregister(self):
        self.noted = None

    def _check(self):
        """Never two versions of a worker, and traffic only to what runs."""
        workers = {
            r for (_, s), (r, running) in self.containers.items() if s == "worker" and running
        }
        assert len(workers) <= 1, f"workers of {workers} run at once"
        for colour, share in self.shares.items():
            assert not share or self.containers[colour, "api"][1], f"traffic to stopped {colour}"

    def observe(self):
        found = [
            Container(
                id=f"{colour}-{service}-{number}", name=f"{colour}-{service}-{number}",
                service=service, role=SERVICES[service].get("role", "backing"), colour=colour,
                state="running" if running else "exited",
                status="Up 5 seconds" if running else "Exited (0)", release=name, version=name,
            )
            for (colour, service), (name, running) in self.containers.items()
            for number in range(1, self.replicas.get((colour, service), 1) + 1)
        ]  # fmt: skip
        found += [
            Container(id=s, name=s, service=s, role=SERVICES[s].get("role", "backing"),
                      state="running" if self.router or s != "nginx" else "exited",
                      status="Up 5 seconds", health="healthy")
            for s in ("db", "nginx")
        ]  # fmt: skip
        return World(tuple(found))

    def forecast(self, wanted, was, now, renewed, *, spare=False):
        return list(self.effects)

    def settle(self, release, renewed=None, *, spare=False):
        self._called(f"settle {release.id}")
        self.router = True
        return []

    def run_job(self, release, colour, service, *, timeout, tick):
        self._called(f"job {service}")
        tick()
        return ""

    def stop_jobs(self, release):
        return []

    def start(self, release, colour, services, ready=()):
        self.replicas.update({(colour, name): count for name, count in services.items()})
        for service in ready if services else ():
            if not self.containers.get((colour, service), ("", False))[1]:
                self.containers[colour, service] = (release.id, False)
        for service in services:
            self._called(f"start {release.id} {service}")
            self.containers[colour, service] = (release.id, (release.id, service) not in self.crash)
        self._check()

    def stop(self, colour, services):
        for service in services:
            if (colour, service) in self.containers:
                self.calls.append(f"stop {colour} {service}")
                self.containers[colour, service] = (self.containers[colour, service][0], False)
        self._check()

    def routes(self, world):
        return Routes("g", {"api": Backend(8000, self.shares)} if self.shares else {})

    def route(self, release, shares):
        self._called(f"route {dict(sorted(shares.items()))}")
        if not self.router:
            raise TowlineError("the router is not running")
        self.shares = dict(shares)
        self._check()

    def open_on_old_routes(self):
        self.drained += 1
        return self.open

    def address(self, container, port):
        return None

    def trouble(self, container):
        return "" if container.running else "exited with code 3"

    def logs(self, container, lines, age=None):
        return [f"{container.name} says s3cret-value"]

    def missing_images(self, images):
        return set(images) & self.pruned

    def remove_image(self, reference, tags):
        self.ask()
        self._called(f"remove {reference}")
        return [reference]


@dataclass
class FakeSite:
    """What the executor needs of a site, around a fake engine and a real state folder."""

    folder: Path
    engine: FakeEngine = field(default_factory=FakeEngine)
    name: str = "prod"
    host_name: str = "localhost"

    def __post_init__(self):
        self.host = LocalHost()
        self.host.name = self.host_name
        self.remote = False
        self.state = StateFolder(self.folder)
        self.engine.state = self.folder
        self.fence = Fence()
        self.engine.ask = partial(self.fence.prove_recently, self.host_name)
        self.files = guarded_files(self.host.files, self.engine.ask)
        self.store = ReleaseStore(self.files, self.state)
        self.redactor = Redactor({"TOKEN": "s3cret-value"})
        files = guarded_files(self.host.files, partial(self.fence.prove, host=self.host_name))
        self.journal = Journal(files, self.state.journal, self.redactor.redact_data)
        rollout = {"bake_time": 0.01, "drain": 0.2, "health_timeout": 1}
        self.project = Project(self.folder, settings_of({"project": "shop", "rollout": rollout}))
        self.environment = self.project.environment("local")
        self.rollout = self.environment.rollout

    def keep(self, version, **changes):
        return self.store.add(release(version, self.folder, **changes), folder_of(version))

    def serve(self, kept, colour="blue"):
        """Let a kept release be the live one."""
        self.store.mark(kept, Status.GOOD)
        for service in ("api", "worker"):
            self.engine.containers[colour, service] = (kept.id, True)
        self.engine.shares = {colour: 100}
        return self.store.get(kept.id)
