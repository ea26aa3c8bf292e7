"""The switch, on a router that takes its time: an nginx in words, which answers for real."""

import json
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import pytest

from towline.engines.compose import router as module
from towline.engines.compose.files import persistent_file
from towline.engines.compose.render import LOG_ROOM
from towline.engines.compose.router import Router
from towline.engines.observed import Container, ObservedState
from towline.errors import DiskFull, TowlineError
from towline.hosts.local import LocalHost
from towline.routing import nginx, request_log
from towline.routing.policy import Policy
from towline.state.releases import Release, ReleaseStore, StateFolder

SERVICES = {"web": {"role": "app", "port": 8000}, "nginx": {"role": "router"}}


class Nginx:
    """What the Docker SDK and a connection see of it.

    Attributes:
        slow: How often the process list is asked for until the old worker stops accepting.
        stuck: It goes on with the routes it has.
    """

    def __init__(self, routes):
        self.routes, self.slow, self.stuck, self.refuses = routes, 0, False, ""
        self.asked, self.reloads, self.commands, self.answers = 0, 0, [], b""
        self.workers = {"10": "nginx: worker process"}
        self.retired = {}
        self.tmpfs = {}

    def inspect_container(self, container):
        return {"HostConfig": {"Tmpfs": self.tmpfs}}

    def exec_create(self, container, argv):
        self.commands.append(argv)
        return {"Id": argv[-1]}

    def exec_start(self, wanted):
        if wanted == "reload":
            self.reload()
        return b"nginx version: nginx/1.22.1" if wanted == "-v" else self.refuses.encode()

    def exec_inspect(self, wanted):
        return {"ExitCode": int(wanted == "-q" and bool(self.refuses))}

    def reload(self):
        self.reloads += 1
        if not self.stuck:
            self.answers = self.routes.read_bytes()
            self.retired = self.workers
            self.workers = {str(20 + self.reloads): "nginx: worker process"}
            self.asked = 0

    def top(self, container):
        self.asked += 1
        if self.asked > self.slow:
            self.retired = dict.fromkeys(self.retired, "nginx: worker process is shutting down")
        found = {"1": "nginx: master process nginx", **self.retired, **self.workers}
        return {
            "Titles": ["UID", "PID", "CMD"],
            "Processes": [["0", *row] for row in found.items()],
        }

    def info(self):
        return {"SystemTime": datetime.now(UTC).isoformat()}

    def logs(self, container, tail, since):
        assert abs(since - datetime.now(UTC).timestamp()) < 60
        return b"nginx says why\n"


@pytest.fixture
def scene(tmp_path):
    """A router whose first routes lead nowhere, the release to switch to, and nginx."""
    state = StateFolder(tmp_path)
    folder = state.releases / "1.0.0"
    folder.mkdir(parents=True)
    release = Release("1.0.0", "1.0.0", "c", "f", "d", {}, SERVICES, folder)
    persistent_file(release).write_text(json.dumps({"services": {"nginx": {}}}))
    it = Nginx(state.routes / nginx.ROUTES_FILE)
    host = LocalHost()
    host.docker = lambda: SimpleNamespace(api=it)
    router = Router(host, state)
    router.prepare(release)
    it.answers = it.routes.read_bytes()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            account = it.answers.split(b"return 200 '")[1].split(b"';")[0]
            self.send_response(200)
            self.end_headers()
            self.wfile.write(account)

        def log_message(self, *arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    container = Container("id", "nginx-1", "nginx", "router", "running",
                          ports={nginx.ASK_PORT: server.server_port})  # fmt: skip
    yield router, release, it, ObservedState((container,))
    server.shutdown()
    server.server_close()


def test_a_switch_is_over_when_no_old_worker_takes_connections(scene):
    router, release, it, observed = scene
    it.slow = 5
    router.switch(release, {"blue": 100}, observed)
    assert it.reloads == 1
    assert it.asked > it.slow
    assert router.read(observed).live_slot() == "blue"
    # It still finishes what it has.
    assert router.retiring(observed.containers[0]) == 1


def test_routes_that_are_in_force_are_not_written_again(scene):
    router, release, it, observed = scene
    router.switch(release, {"blue": 100}, observed)
    written = it.routes.stat().st_mtime_ns
    router.switch(release, {"blue": 100}, observed)
    assert it.reloads == 1
    assert it.commands == [
        ["nginx", "-v"],
        ["nginx", "-t", "-q"],
        ["nginx", "-s", "reload"],
    ]
    assert it.routes.stat().st_mtime_ns == written


def test_a_configuration_that_nginx_refuses_is_put_back(scene):
    router, release, it, observed = scene
    before = it.routes.read_bytes()
    it.refuses = "nginx: [emerg] unknown directive"
    with pytest.raises(TowlineError, match="refuses the new configuration: unknown directive"):
        router.switch(release, {"blue": 100}, observed)
    assert it.routes.read_bytes() == before


def test_a_full_disk_is_told_as_one_and_not_as_a_fault_of_the_configuration(scene):
    router, release, it, observed = scene
    said = 'open() "/run/nginx.pid" failed (28: No space left on device)'
    it.refuses = (
        f"nginx: [emerg] {said}\nnginx: configuration file /etc/nginx/nginx.conf test failed"
    )
    with pytest.raises(DiskFull, match="the disk of localhost is full: open") as error:
        router.switch(release, {"blue": 100}, observed)
    assert "docker system df" in error.value.remedy
    assert "security/nginx" not in error.value.remedy


def test_a_router_that_does_not_take_its_routes_is_told_and_put_back(scene, monkeypatch):
    router, release, it, observed = scene
    monkeypatch.setattr(module, "_RELOAD_LIMIT", 0.2)
    before = it.routes.read_bytes()
    it.stuck = True
    with pytest.raises(TowlineError, match="did not take the new configuration") as error:
        router.switch(release, {"blue": 100}, observed)
    assert list(error.value.details) == ["nginx says why"]
    assert it.routes.read_bytes() == before


def test_an_old_worker_that_never_stops_accepting_is_no_switch(scene, monkeypatch):
    router, release, it, observed = scene
    monkeypatch.setattr(module, "_RELOAD_LIMIT", 0.2)
    it.slow = 10**6
    with pytest.raises(TowlineError, match="did not take the new configuration"):
        router.switch(release, {"blue": 100}, observed)


LOGGED = {"services": {"nginx": {"tmpfs": [LOG_ROOM]}}, "x-towline-request-log": True}


def test_the_request_log_begins_with_a_switch_and_goes_on_over_a_rollback(scene):
    router, release, it, observed = scene
    it.tmpfs = {request_log.FOLDER: ""}
    persistent_file(release).write_text(json.dumps(LOGGED))
    router.switch(release, {"blue": 100}, observed)
    assert router.read(observed).log == {"blue": ""}
    assert request_log.FILE in (router.state.routes / request_log.INCLUDE_FILE).read_text()
    router.switch(release, {"blue": 100}, observed)
    assert it.reloads == 1
    # A release of an earlier version says nothing of a log.
    persistent_file(release).write_text(json.dumps({"services": {"nginx": {}}}))
    router.switch(release, {"green": 100}, observed)
    assert router.read(observed).log == {"green": ""}
    persistent_file(release).write_text(json.dumps({**LOGGED, "x-towline-request-log": False}))
    router.switch(release, {"green": 100}, observed)
    assert router.read(observed).log is None


def retain(router, identifier, slot, model):
    """A retained release and its container in a slot."""
    folder = router.state.releases / identifier
    made = Release(identifier, identifier, "c", "f", "d", {}, SERVICES, folder)
    files = {persistent_file(made).name: (json.dumps(model).encode(), 0o600)}
    ReleaseStore(router.host.files, router.state).add(made, files)
    name = f"shop-{slot}-web-1"
    return made, Container(slot, name, "web", "app", "running", slot=slot, release=identifier)


def test_a_log_that_the_new_release_asks_for_begins_with_its_first_share(scene):
    router, _, it, observed = scene
    it.tmpfs = {request_log.FOLDER: ""}
    old, serving = retain(router, "1.6.0", "blue", {"services": {"nginx": {}}})
    _, coming = retain(router, "1.7.0", "green", LOGGED)
    observed = ObservedState((*observed.containers, serving, coming))
    router.switch(old, {"blue": 100}, observed)
    assert router.read(observed).log is None
    router.switch(old, {"blue": 90, "green": 10}, observed)
    assert router.read(observed).log == {"blue": "1.6.0", "green": "1.7.0"}
    persistent_file(old).write_text(json.dumps({**LOGGED, "x-towline-request-log": False}))
    router.switch(old, {"blue": 75, "green": 25}, observed)
    assert router.read(observed).log == {"blue": "1.6.0", "green": "1.7.0"}
    router.switch(old, {"blue": 100}, observed)
    assert router.read(observed).log is None


def test_a_slot_that_only_previews_reach_is_pinned_while_it_grows(scene):
    router, release, _, observed = scene
    _, serving = retain(router, "1.6.0", "blue", {"services": {"nginx": {}}})
    _, coming = retain(router, "1.7.0", "green", {"services": {"nginx": {}}})
    observed = ObservedState((*observed.containers, serving, coming))
    shares, names = {"blue": 100, "green": 0}, {"web": ("shop-green-web-1",)}
    router.switch(release, shares, observed)
    assert not router.pin("green", names, observed)
    preview = Policy(preview_header="X-Release", preview_value="new", preview_slot="green")
    router.switch(release, shares, observed, preview)
    assert router.pin("green", names, observed)
    assert router.read(observed).backends["web"].only == {"green": ("shop-green-web-1",)}
    assert "green shop-green-web-1:8000;" in (router.state.routes / nginx.ROUTES_FILE).read_text()


def test_a_container_without_a_place_for_it_keeps_no_log(scene):
    router, release, it, observed = scene
    persistent_file(release).write_text(json.dumps(LOGGED))
    router.switch(release, {"blue": 100}, observed)
    assert router.read(observed).log is None
    assert request_log.FILE not in it.routes.read_text()


def test_a_container_that_is_to_have_no_place_for_it_finds_routes_without_it(scene):
    router, release, it, observed = scene
    it.tmpfs = {request_log.FOLDER: ""}
    persistent_file(release).write_text(json.dumps(LOGGED))
    router.switch(release, {"blue": 100}, observed)
    router.prepare(release)
    assert request_log.FILE in it.routes.read_text()
    persistent_file(release).write_text(json.dumps({"services": {"nginx": {}}}))
    router.prepare(release)
    assert request_log.FILE not in it.routes.read_text()
    assert nginx.parse_file(it.routes.read_text()).live_slot() == "blue"


def test_a_refused_configuration_puts_the_line_for_servers_back_too(scene):
    router, release, it, observed = scene
    include = router.state.routes / request_log.INCLUDE_FILE
    before = include.read_text()
    it.tmpfs, it.refuses = {request_log.FOLDER: ""}, "nginx: [emerg] no such format"
    persistent_file(release).write_text(json.dumps(LOGGED))
    with pytest.raises(TowlineError, match="no such format"):
        router.switch(release, {"blue": 100}, observed)
    assert include.read_text() == before
