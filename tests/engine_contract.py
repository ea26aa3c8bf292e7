"""What every engine does, spoken in its protocol alone; each engine's tests inherit from here.

`Case` holds an engine and describes releases to it. The description is a Compose file, which is
what the engines of today read; one that reads something else gives its own text.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest

from towline.config.services import Role
from towline.engines.acts import Act
from towline.engines.base import Engine
from towline.engines.bundle import REPLACED, Draft, Source
from towline.engines.job_failure import JobFailed
from towline.errors import TowlineError, UsageError
from towline.hosts.local import LocalHost
from towline.state.releases import Release, ReleaseStore

SERVICES = """
services:
  web:
    image: {python}
    command: [python3, -u, -c, "print('web began', flush=True); import time; time.sleep(900)"]
    init: true
    stop_grace_period: 0s
    x-towline: {{role: app, port: 8000}}
  worker:
    image: {python}
    command: [sleep, "900"]
    init: true
    stop_grace_period: 0s
    x-towline: {{role: worker}}
  good:
    image: {python}
    command: [sh, -c, "echo all done"]
    x-towline: {{role: job}}
  bad:
    image: {python}
    command: [sh, -c, "echo no table; exit 3"]
    x-towline: {{role: job}}
  slow:
    image: {python}
    command: [sleep, "60"]
    init: true
    stop_grace_period: 0s
    x-towline: {{role: job}}
  db:
    image: {python}
    command: [sleep, "900"]
    init: true
    stop_grace_period: 0s
    volumes: ["./db.conf:/db.conf:ro"]
    x-towline: {{role: backing}}
  nginx:
    image: {nginx}
    user: "${{TOWLINE_UID:-101}}:${{TOWLINE_GID:-101}}"
    volumes:
      - ./nginx.conf:/etc/nginx/nginx.conf:ro
      - ${{TOWLINE_ROUTES}}:/etc/nginx/towline:ro
    x-towline: {{role: router}}
"""


@dataclass
class Case:
    """An engine, and a deploy tree that it describes.

    Attributes:
        tree: The deploy tree, with `compose.yml`.
    """

    engine: Engine
    store: ReleaseStore
    tree: Path
    releases: dict[str, Release] = field(default_factory=dict)

    def draft(self, version: str) -> Draft:
        """The release of a version, not written yet."""
        files = [self.tree / "compose.yml"]
        source = Source(LocalHost(), self.tree, files, {}, version, "c")
        bundle = self.engine.describe(source)
        return Draft(bundle, version, version, "c", bundle.images, 1, request_log=True)

    def release(self, version: str) -> Release:
        """The release of a version, as it is retained."""
        if version not in self.releases:
            draft = self.draft(version)
            services = draft.bundle.services
            made = Release(
                version, version, "c", version, version, draft.images,
                {name: item.model_dump(mode="json") for name, item in services.items()},
                self.store.state.releases / version,
            )  # fmt: skip
            files = {name: (data, 0o600) for name, data in self.engine.prepare(draft).items()}
            for name in ("db.conf", "nginx.conf"):
                files[f"tree/{name}"] = ((self.tree / name).read_bytes(), 0o644)
            self.releases[version] = self.store.add(made, files)
        return self.releases[version]

    def there(self, slot: str, *roles: str) -> dict[str, tuple[str, bool]]:
        """Container -> its release, and whether it runs."""
        found = self.engine.observe().of(slot, *roles)
        return {item.id: (item.release, item.running) for item in found}


class EngineContract:
    """The tests; they follow each other, as a host's life does."""

    persistent: ClassVar = {"db", "nginx"}

    def test_nothing_is_there_at_first(self, case):
        case.engine.ping()
        assert case.engine.observe().containers == ()
        assert case.engine.resources() == []
        assert case.engine.registered() is None
        assert case.engine.register() == case.store.state.root == case.engine.registered()

    def test_it_describes_what_is_written_and_refuses_what_is_wrong(self, case):
        bundle = case.draft("1.0.0").bundle
        assert bundle.named(*REPLACED) == ["bad", "good", "slow", "web", "worker"]
        assert bundle.router == "nginx"
        assert bundle.services["web"].port == 8000
        assert bundle.reads(Role.BACKING) == {"db": [Path("db.conf")]}
        (case.tree / "wrong.yml").write_text("services: {web: {image: x, x-towline: {role: no}}}")
        for name in ("wrong.yml", "nowhere.yml"):
            source = Source(LocalHost(), case.tree, [case.tree / name], {}, "1.0.0", "c")
            with pytest.raises(UsageError):
                case.engine.describe(source)

    def test_persistent_services_are_reconciled_once(self, case):
        release = case.release("1.0.0")
        assert case.engine.reads(release, Role.BACKING) == {"db": [Path("db.conf")]}
        effects = case.engine.forecast(release, {}, {}, {})
        assert {item.service: item.act for item in effects} == dict.fromkeys(
            self.persistent, Act.CREATE
        )
        assert all(isinstance(line, str)
                   for line in case.engine.commands.reconcile(release.id, effects))  # fmt: skip
        assert case.engine.reconcile(release)
        before = {item.id for item in case.engine.observe().persistent()}
        assert case.engine.reconcile(release) == []
        assert case.engine.forecast(release, {}, {}, {}) == []
        observed = case.engine.observe()
        assert {item.id for item in observed.persistent()} == before
        assert {item.service for item in observed.persistent() if item.running} == self.persistent

    def test_jobs_end_well_badly_or_are_stopped(self, case):
        ticks = []

        def run(service, timeout=30.0):
            release = case.release("1.0.0")
            return case.engine.run_job(
                release,
                "blue",
                service,
                timeout=timeout,
                check_cancelled=lambda: ticks.append(service),
            )

        assert run("good") == "all done"
        with pytest.raises(JobFailed, match="exited with code 3") as failed:
            run("bad")
        assert failed.value.log == ["no table"]
        with pytest.raises(JobFailed, match="did not end within"):
            run("slow", 0.5)
        assert "slow" in ticks
        assert not [item for item in case.engine.observe().role("job") if item.running]
        assert case.engine.stop_jobs("1.0.0") == []

    def test_a_slot_is_started_twice_and_its_containers_are_retained(self, case):
        engine, release = case.engine, case.release("1.0.0")
        engine.start(release, "blue", {"web": 1}, ready=["worker"])
        (web,) = case.there("blue", "app")
        assert case.there("blue", "app") == {web: ("1.0.0", True)}
        assert list(case.there("blue", "worker").values()) == [("1.0.0", False)]
        engine.start(release, "blue", {"web": 1, "worker": 1})
        before = case.there("blue", "app", "worker")
        assert web in before
        assert set(before.values()) == {("1.0.0", True)}
        engine.start(release, "blue", {"web": 1, "worker": 1})
        assert case.there("blue", "app", "worker") == before
        for _ in range(2):
            engine.stop("blue", ["web", "worker"])
            stopped = dict.fromkeys(before, ("1.0.0", False))
            assert case.there("blue", "app", "worker") == stopped
        (item,) = engine.observe().of("blue", "app")
        assert engine.failure_reason(item)
        engine.start(release, "blue", {"web": 1})
        assert case.there("blue", "app") == {web: ("1.0.0", True)}
        (item,) = engine.observe().of("blue", "app")
        assert engine.failure_reason(item) == ""
        assert engine.logs(item, 5)

    def test_it_tells_what_a_container_uses(self, case):
        engine, release = case.engine, case.release("1.0.0")
        engine.start(release, "blue", {"web": 1})
        (web,) = engine.observe().of("blue", "app")
        one, other = engine.usage(web), engine.usage(web)
        assert one.read_at < other.read_at
        assert one.cores > 0
        # In a container of its own an engine may find no control groups, and no statistics.
        if one.memory is not None and other.memory is not None:
            assert 0 < one.cpu_seconds <= other.cpu_seconds
            assert 0 < one.memory < one.memory_limit
        assert (one.restarts, one.oom_kills) == (0, 0)
        (worker,) = engine.observe().of("blue", "worker")
        with pytest.raises(TowlineError, match="does not run"):
            engine.usage(worker)

    def test_a_probe_runs_in_a_container_and_ends_in_time(self, case):
        engine = case.engine
        (web,) = engine.observe().of("blue", "app")

        def run(*argv, timeout=5.0):
            return engine.run_probe(web, argv, timeout)

        good, bad = run("sh", "-c", "echo all well"), run("sh", "-c", "exit 3")
        assert (good.code, good.out) == (0, "all well\n")
        assert (bad.code, bad.out) == (3, "")
        lost = run("no-such-program")
        assert lost.code == 127
        assert "no-such-program" in lost.err
        with pytest.raises(TimeoutError):
            run("sleep", "3", timeout=0.2)
        engine.stop("blue", ["web"])
        (stopped,) = engine.observe().of("blue", "app")
        with pytest.raises(TowlineError, match="does not run"):
            engine.run_probe(stopped, ["sh", "-c", "exit 0"], 1.0)
        engine.start(case.release("1.0.0"), "blue", {"web": 1})

    def test_traffic_goes_where_it_is_sent_and_stays_there(self, case):
        engine, release = case.engine, case.release("1.0.0")
        assert engine.router_failure_reason(engine.observe()) == ""
        for share in ({"blue": 100}, {"blue": 100}):
            engine.route(release, share)
            assert engine.routes(engine.observe()).live_slot() == "blue"
        assert engine.open_on_old_routes() == 0

    def test_the_router_says_what_it_was_asked_since(self, case):
        part = case.engine.requests()
        assert part.lines == ()
        assert case.engine.requests(part.position).lines == ()

    def test_another_release_takes_the_other_slot(self, case):
        engine = case.engine
        engine.start(case.release("1.1.0"), "green", {"web": 2})
        assert [*case.there("green", "app").values()] == [("1.1.0", True)] * 2
        engine.route(case.release("1.1.0"), {"green": 100})
        assert engine.routes(engine.observe()).live_slot() == "green"
        assert [*case.there("blue", "app").values()] == [("1.0.0", True)]

    def test_all_of_it_is_taken_away(self, case):
        assert case.engine.destroy(data=True) == []
        assert case.engine.observe().containers == ()
        assert case.engine.resources() == []
        assert case.engine.registered() is None
        assert case.engine.destroy(data=True) == []
