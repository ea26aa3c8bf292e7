"""An engine in memory: what the executor asks of it happens at once, and invariants are watched."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from memory_engine import MemoryEngine, MemoryImages

from towline.config.loading import Project, settings_of
from towline.config.redaction import Redactor
from towline.engines.compose.commands import ComposeCommands
from towline.environments.fence import Fence
from towline.errors import TowlineError
from towline.hosts.guard import guarded_files
from towline.hosts.local import LocalHost
from towline.hosts.transfers import TransferStatistics
from towline.promotion import manifest as manifests
from towline.promotion.tree import MANIFEST_FILE
from towline.routing.policy import ANYBODY
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
class FakeEngine(MemoryEngine):
    """The engine in memory, whose acts are noted, fail when they are told to, and are watched."""

    host: LocalHost = field(default_factory=LocalHost)
    state: StateFolder | None = None
    project: str = "shop"
    environment: str = "prod"
    fail_on: set = field(default_factory=set)
    calls: list = field(default_factory=list)
    open: int = 0
    crash: set = field(default_factory=set)
    drained: int = 0
    ask: Callable = lambda: None
    failure_reason_of_router: str = ""
    deleted: tuple = ()
    effects: tuple = ()

    def __post_init__(self):
        self.roles = {name: item.get("role", "backing") for name, item in SERVICES.items()}
        self.persistent = {"db": True, "nginx": True}
        self.images = MemoryImages(removed=self._removed)

    @property
    def commands(self):
        return ComposeCommands(self.state)

    @property
    def router(self):
        """Whether the router runs."""
        return self.persistent["nginx"]

    @router.setter
    def router(self, runs):
        self.persistent["nginx"] = runs

    def _called(self, what):
        self.calls.append(what)
        if what in self.fail_on:
            raise TowlineError(f"{what} does not work")

    def _check(self):
        """Never two versions of a worker, and traffic only to what runs."""
        workers = {
            r for (_, s), (r, running) in self.containers.items() if s == "worker" and running
        }
        assert len(workers) <= 1, f"workers of {workers} run at once"
        for slot, share in self.shares.items():
            assert not share or self.containers[slot, "api"][1], f"traffic to stopped {slot}"

    def _removed(self, reference):
        self.ask()
        self._called(f"remove {reference}")

    def wait(self, limit):
        self._called("wait")

    def router_failure_reason(self, observed):
        stopped = "" if self.router else "the router is not running: Exited (0)"
        return self.failure_reason_of_router or stopped

    def detached(self, observed):
        return list(self.deleted)

    def reattach(self, services):
        self._called(f"reattach {' '.join(services)}")
        self.deleted = ()
        return ""

    def forecast(self, wanted, was, now, renewed, *, spare=False):
        return list(self.effects)

    def reconcile(self, release, renewed=None, *, spare=False):
        self._called(f"settle {release.id}")
        self.router = True
        return []

    def run_job(self, release, slot, service, *, timeout, check_cancelled):
        self._called(f"job {service}")
        check_cancelled()
        return ""

    def start(self, release, slot, services, ready=()):
        self.replicas.update({(slot, name): count for name, count in services.items()})
        for service in ready if services else ():
            if not self.containers.get((slot, service), ("", False))[1]:
                self.containers[slot, service] = (release.id, False)
        for service in services:
            self._called(f"start {release.id} {service}")
            self.containers[slot, service] = (release.id, (release.id, service) not in self.crash)
        self._check()

    def stop(self, slot, services):
        self.calls += [f"stop {slot} {name}" for name in services
                       if (slot, name) in self.containers]  # fmt: skip
        super().stop(slot, services)
        self._check()

    def route(self, release, shares, policy=ANYBODY):
        self._called(f"route {dict(sorted(shares.items()))}")
        super().route(release, shares, policy)
        self._check()

    def open_on_old_routes(self):
        self.drained += 1
        return self.open

    def logs(self, container, lines, age=None, *, required=False):
        return [f"{container.name} says s3cret-value"]


@dataclass
class FakeHostEnvironment:
    """What the executor needs of a site, around a fake engine and a real state folder."""

    folder: Path
    engine: FakeEngine = field(default_factory=FakeEngine)
    name: str = "prod"
    host_name: str = "localhost"
    fence: Fence = field(default_factory=Fence)

    def __post_init__(self):
        self.transferred = TransferStatistics()
        self.host = LocalHost()
        self.host.name = self.host_name
        self.here = LocalHost()
        self.remote = False
        self.state = StateFolder(self.folder)
        self.engine.state = self.state
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

    def serve(self, retained, slot="blue"):
        """Let a retained release be the live one."""
        self.store.mark(retained, Status.GOOD)
        for service in ("api", "worker"):
            self.engine.containers[slot, service] = (retained.id, True)
        self.engine.shares = {slot: 100}
        return self.store.get(retained.id)
