"""Probes of backing services, asked of the real ones in containers."""

import shutil
import time
import uuid
from dataclasses import replace

import pytest

from projects import LAB, free_ports
from towline.config.envfile import read_env
from towline.config.services import Service
from towline.engines.bundle import Draft, Source
from towline.engines.factory import make_engine
from towline.health.guesses import guess_probe
from towline.health.probes import Outcome
from towline.hosts.local import LocalHost
from towline.rollout.serving import container_answer
from towline.state.releases import Release, ReleaseStore, StateFolder

SERVICES = """
services:
  web:
    image: {python}
    command: [sleep, "900"]
    x-towline: {{role: app}}
  postgres:
    image: {postgres}
    user: postgres
    environment: {{POSTGRES_USER: shop, POSTGRES_PASSWORD: pg-s3cret-1, POSTGRES_DB: news}}
  redis:
    image: {redis}
    command: [redis-server, --requirepass, rd-s3cret-1]
    environment: {{CACHE_PASSWORD: rd-s3cret-1}}
  prometheus:
    image: {prometheus}
    command: [--config.file=/conf/prometheus.yml, --storage.tsdb.path=/prometheus]
    volumes: ["./conf:/conf:ro"]
networks:
  default:
    ipam: {{config: [{{subnet: 10.{a}.{b}.0/24}}]}}
"""
PROMETHEUS = """
global: {scrape_interval: 1s}
scrape_configs:
  - {job_name: itself, static_configs: [{targets: ["127.0.0.1:9090"]}]}
  - {job_name: lost, static_configs: [{targets: ["127.0.0.1:9"]}]}
"""
# Fails unless it is asked by the user and in the database that the container was made with.
WHO = "select 1 / (current_user = 'shop' and current_database() = 'news')::int"
DEFAULTS = {
    "PYTHON_IMAGE": "python:3.11-slim", "POSTGRES_IMAGE": "postgres:15", "REDIS_IMAGE": "redis:7",
    "PROMETHEUS_IMAGE": "prom/prometheus:v2.54.1",
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """An engine whose backing services run, and their release."""
    folder = tmp_path_factory.mktemp("probes")
    lab = {**DEFAULTS, **(read_env(LAB, {}) if LAB.exists() else {})}
    (port,) = free_ports(1)
    images = {name.removesuffix("_IMAGE").lower(): lab[name] for name in DEFAULTS}
    (folder / "conf").mkdir()
    (folder / "conf/prometheus.yml").write_text(PROMETHEUS)
    (folder / "compose.yml").write_text(SERVICES.format(a=200 + port % 50, b=port % 250, **images))
    host, state = LocalHost(), StateFolder(folder.with_name(f"{folder.name}-state"))
    engine = make_engine("compose", host, state, f"t{uuid.uuid4().hex[:8]}", "local")
    source = Source(host, folder, [folder / "compose.yml"], {}, "1.0.0", "c")
    bundle = engine.describe(source)
    draft = Draft(bundle, "1.0.0", "1.0.0", "c", bundle.images, 1)
    services = {name: item.model_dump(mode="json") for name, item in bundle.services.items()}
    made = Release("1.0.0", "1.0.0", "c", "f", "c", bundle.images, services,
                   state.releases / "1.0.0")  # fmt: skip
    files = {name: (data, 0o600) for name, data in engine.prepare(draft).items()}
    files["tree/conf/prometheus.yml"] = ((folder / "conf/prometheus.yml").read_bytes(), 0o644)
    release = ReleaseStore(host.files, state).add(made, files)
    shutil.copytree(folder / "conf", state.live / "conf", dirs_exist_ok=True)
    try:
        engine.register()
        engine.reconcile(release)
        yield engine, release
    finally:
        engine.destroy(data=True)


def ask(place, service, *, in_deploy=True, until=lambda answer: answer.healthy, **health):
    """What a service answers, as soon as it is as wanted, or in half a minute."""
    engine, release = place
    settings = Service(health={"kind": service, **health}).model_dump(mode="json")
    services = {**release.services, service: settings}
    told = replace(release, services=services)
    ends = time.monotonic() + 30
    while True:
        (item,) = engine.observe().service(service)
        answer = container_answer(engine, told, item, in_deploy=in_deploy)
        if until(answer) or time.monotonic() > ends:
            return answer
        time.sleep(0.2)


def test_postgres_is_asked_and_timed(place):
    answer = ask(place, "postgres")
    assert answer.healthy, answer
    assert answer.detail.startswith("select 1: ")
    assert 0 < answer.seconds < 0.5
    who = ask(place, "postgres", query=WHO)
    assert who.healthy, who
    slow = ask(place, "postgres", query="select pg_sleep(1)", max_time="700ms", until=bool)
    assert slow.outcome is Outcome.FAILURE
    assert "took 1" in slow.detail
    # What is far too slow is ended by the server, not left to go on.
    began = time.monotonic()
    ended = ask(place, "postgres", query="select pg_sleep(20)", max_time="200ms", until=bool)
    assert "statement timeout" in ended.detail
    assert time.monotonic() - began < 5
    wrong = ask(place, "postgres", query="select * from nowhere", until=bool)
    assert 'relation "nowhere" does not exist' in wrong.detail


def test_redis_is_asked_by_the_password_that_its_container_knows(place):
    answer = ask(place, "redis", password="CACHE_PASSWORD")
    assert answer.healthy, answer
    assert answer.detail.endswith("master")
    none = ask(place, "redis", until=bool)
    assert none.outcome is Outcome.ERROR
    assert none.detail.startswith("NOAUTH")
    assert ask(place, "redis", password="CACHE_PASSWORD", role="replica", until=bool).detail == (
        "is master, wanted replica"
    )


def test_prometheus_and_what_it_watches(place):
    assert ask(place, "prometheus").healthy
    down = ask(place, "prometheus", in_deploy=False, until=lambda item: not item.healthy)
    assert down.outcome is Outcome.FAILURE, down
    assert down.detail.startswith("1 of 2 targets are down: lost 127.0.0.1:9 (")
    assert ask(place, "prometheus", in_deploy=False, targets=False).healthy


def test_tcp_and_commands_are_asked_of_any_container(place):
    engine, release = place
    (item,) = engine.observe().service("redis")
    for health, outcome in (
        ({"kind": "tcp", "port": 6379}, Outcome.HEALTHY),
        ({"kind": "tcp", "port": 6399}, Outcome.ERROR),
        ({"kind": "command", "command": "redis-cli --version"}, Outcome.HEALTHY),
        ({"kind": "command", "command": "cat /nowhere"}, Outcome.FAILURE),
        ({"kind": "command", "command": "no-such-program"}, Outcome.FAILURE),
        ({"kind": "command", "command": "sleep 30", "timeout": "300ms"}, Outcome.ERROR),
    ):
        services = {**release.services, "redis": {"health": health}}
        told = replace(release, services=services)
        answer = container_answer(engine, told, item)
        assert answer.outcome is outcome, (health, answer)
    # Each gives its connection back: a pool has few.
    assert [engine.run_probe(item, ["true"], 5.0).code for _ in range(20)] == [0] * 20
    # One that hangs is not started a second time while it runs.
    again = container_answer(engine, told, item)
    assert "an earlier one still runs" in again.detail


def test_the_guesses_are_right(place):
    _, release = place
    found = {name: guess_probe(release.images[name], name) for name in release.services}
    kinds = {name: probe.kind for name, probe in found.items() if probe}
    assert kinds == {name: name for name in ("postgres", "redis", "prometheus")}
