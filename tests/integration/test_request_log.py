"""The router's request log, written by a real nginx: which slot answered, and what it said."""

import json
import time
import urllib.error
import urllib.request
from collections import Counter

import pytest

from loadgen import wait_until
from projects import docker, remove
from towline.config.loading import load
from towline.environments.opening import open_lead_environment
from towline.errors import TowlineError
from towline.routing import request_log
from towline.routing.request_log import parse_line
from toy import APP, CONF, release, toy

# Every fifth answer of the new release is an error.
FAULTY = APP.replace("class Answer", "count = 0\nclass Answer").replace(
    "        self.send_response(200)",
    "        global count\n        count += 1\n"
    "        self.send_response(500 if count % 5 == 0 else 200)",
)
# By a line of its own, or by none where the server has no `access_log`.
CONF = CONF.replace("include", "resolver_timeout 1s; proxy_connect_timeout 1s; include", 1)
FORMS = {
    "http": CONF.replace("access_log off;", ""),
    "server": CONF.replace("listen 8080;", "listen 8080; include /etc/nginx/towline/*.inc;"),
}


@pytest.fixture(params=[*FORMS])
def project(request, tmp_path):
    made = toy(tmp_path)
    (made.root / "deploy/security/nginx/nginx.conf").write_text(FORMS[request.param])
    config = made.root / "towline.yaml"
    config.write_text(config.read_text() + "analysis: {request_log: true}\n")
    yield made
    remove(made)


def the_site(project, monkeypatch):
    monkeypatch.setenv("TOWLINE_STATE", str(project.state))
    return open_lead_environment(load(project.root), "local")


def ask(project, count):
    """Releases and statuses that a client saw."""
    seen = Counter()
    for _ in range(count):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{project.http}", timeout=10) as answer:
                seen[answer.headers["X-Release"], answer.status] += 1
        except urllib.error.HTTPError as error:
            seen[error.headers["X-Release"], error.code] += 1
    return seen


def logged(engine, position, count):
    """The requests that were logged since a position, and the last part of the log.

    nginx writes a line when the answer is on its way: a moment after the client has it.
    """
    found, part = [], engine.requests(position)
    deadline = time.monotonic() + 5
    while True:
        found += [item for item in map(parse_line, part.lines) if item]
        if len(found) >= count or time.monotonic() > deadline:
            return found, part
        time.sleep(0.02)
        part = engine.requests(part.position)


def test_the_log_says_which_slot_answered_and_what(project, monkeypatch):
    release(project, "1.0.0")
    project.inv("deploy", "--yes").ok()
    release(project, "1.1.0", FAULTY)
    project.inv("deploy", "--yes").ok()
    site = the_site(project, monkeypatch)
    engine = site.engine
    old, new = site.store.get("1.0.0"), site.store.get("1.1.0")
    engine.start(old, "blue", {"web": 1})
    start = engine.requests().position
    engine.route(new, {"blue": 60, "green": 40})
    seen = ask(project, 200)
    found, part = logged(engine, start, 200)
    assert Counter((item.release, item.status) for item in found) == seen
    assert seen["1.1.0", 500] > 5
    assert {(item.slot, item.release) for item in found} == {
        ("blue", "1.0.0"), ("green", "1.1.0"),
    }  # fmt: skip
    assert {item.service for item in found} == {"web"}
    assert len({item.request_id for item in found}) == 200
    # An app that is not there any more: nginx's own answer counts against its slot.
    web = next(item for item in engine.observe().of("green") if item.service == "web")
    docker("kill", web.name)
    wait_until(lambda: any(status == 502 for _, status in ask(project, 3)), "no 502")
    lost, part = logged(engine, part.position, 3)
    assert {item.slot for item in lost if item.status == 502} == {"green"}

    nginx = f"{project.name}-local-nginx-1"
    before = docker("inspect", "-f", "{{.Id}}", nginx)
    docker("exec", nginx, "sh", "-c",
           "yes '{}' | head -c 6500000 >> /var/log/towline/requests.log")  # fmt: skip
    long = engine.requests(part.position)
    assert long.size > 6_000_000
    ask(project, 3)
    found, after = logged(engine, long.position, 3)
    assert len(found) == 3
    assert after.size < 10_000
    assert not after.is_missing_some
    # It was full, because nobody read it: the next reader begins it anew, with all of its room.
    docker("exec", nginx, "sh", "-c", "cd /var/log/towline; rm -f requests.1.log; "
           "yes '{}' | head -c 20000000 >> requests.log || true")  # fmt: skip
    full = engine.requests(after.position)
    assert full.size > 15_000_000
    assert full.is_missing_some
    ask(project, 3)
    found, after = logged(engine, full.position, 3)
    assert len(found) == 3
    assert after.size < 10_000
    assert docker("inspect", "-f", "{{.Id}}", nginx) == before


def test_a_router_without_a_log_says_so(tmp_path, monkeypatch):
    made = toy(tmp_path)
    try:
        release(made, "1.0.0")
        made.inv("deploy", "--yes").ok()
        with pytest.raises(TowlineError, match="keeps no") as error:
            the_site(made, monkeypatch).engine.requests()
        assert "request_log: true" in error.value.remedy
    finally:
        remove(made)


# Renders the router as a version did that knew of no log.
EARLIER = """
import towline.engines.compose.render as render
def persistent(*given, made=render._persistent):
    return render.without_log_room(made(*given))
def model(*given, made=render.persistent_model):
    return {key: value for key, value in made(*given).items() if key != render.REQUEST_LOG}
render._persistent, render.persistent_model = persistent, model
"""


def test_a_router_of_an_earlier_version_is_recreated_once_and_only_for_the_log(tmp_path):
    made = toy(tmp_path)
    (made.root / "deploy/security/nginx/nginx.conf").write_text(FORMS["http"])
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier/sitecustomize.py").write_text(EARLIER)
    name = f"{made.name}-local-nginx-1"

    def container():
        (found,) = json.loads(docker("inspect", name))
        return found["Id"], request_log.FOLDER in (found["HostConfig"].get("Tmpfs") or {})

    try:
        release(made, "1.0.0")
        made.inv("deploy", "--yes", env={"PYTHONPATH": str(tmp_path / "earlier")}).ok()
        old, has_room = container()
        assert not has_room
        release(made, "1.1.0")
        made.inv("deploy", "--yes").ok()
        assert container() == (old, False)
        config = made.root / "towline.yaml"
        config.write_text(config.read_text() + "analysis: {request_log: true}\n")
        release(made, "1.2.0")
        said = "recreates nginx (router): a place for the request log"
        assert said in made.inv("deploy.plan").ok().out
        made.inv("deploy", "--yes").ok()
        new, has_room = container()
        assert has_room
        assert new != old
        ask(made, 5)
        # A rollback to a release that knows of no log leaves it as it is, and the log goes on.
        made.inv("rollback", "--version", "1.0.0", "--auto-approve").ok()
        ask(made, 5)
        time.sleep(0.2)
        seen = made.inv("canary", "--json").ok().json
        assert {item["release"]: item["requests"] for item in seen["slots"]}["1.0.0"] >= 5
        assert container() == (new, True)
    finally:
        remove(made)
