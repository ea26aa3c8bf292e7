"""The main path by the commands people type; the tests run in order on one environment."""

import json
import os
import subprocess
import sys
import time
import urllib.request

import pytest
from websockets.sync.client import connect

from loadgen import Load, no_verify, wait_until
from projects import docker
from towline.config.envfile import read_env

pytestmark = pytest.mark.usefixtures("project")


def snapshot(project):
    """What a dry run must leave as it is."""
    files = {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(project.state.rglob("*"))
        if path.is_file()
    }
    return project.containers(), files


def assert_lossless(tally):
    assert tally.lost == []
    assert tally.failed == 0, tally.statuses
    assert tally.answered == tally.sent
    assert tally.answered > 100


def test_a_dry_run_before_anything_exists_touches_nothing(project):
    project.promote("1.0.0")
    before = snapshot(project)
    plan = project.inv("deploy", "--dry-run").ok()
    assert "live now   nothing" in plan.out
    assert "build fastapi" in plan.out
    assert snapshot(project) == before
    assert not project.folder.exists()


def test_the_first_deploy_serves(project):
    done = project.inv("deploy").ok()
    assert f"1.0.0 is live in local: {project.url}" in done.out
    assert project.version() == "1.0.0"
    assert json.loads(project.get("/health/overall"))["status"] == "healthy"


def test_status_health_and_smoke_tell_the_same(project):
    status = project.inv("status", "--json").ok().json
    assert (status["live"], status["slot"]) == ("1.0.0", "blue")
    assert status["traffic"] == {"fastapi": {"blue": 100}}
    assert status["interrupted"] is None
    assert status["lock"] is None
    rows = project.inv("health-check", "--json", "--timeout", "30").ok().json["services"]
    assert {row["health"] for row in rows} == {"healthy"}
    kinds = {row["service"]: row["kind"] for row in rows}
    own = {"fastapi": "http", "postgres": "postgres", "prometheus": "prometheus", "nginx": "http"}
    assert own.items() <= kinds.items()
    answers = {row["service"]: row["answer"] for row in rows}
    # Guessed from its name: its own healthcheck is what counts.
    assert "its healthcheck says healthy; redis: PONG in " in answers["redis"]
    assert "targets up" in answers["prometheus"]
    assert all(row["seconds"] < 0.5 for row in rows if row["service"] == "postgres")
    assert {row["service"] for row in rows} >= {"fastapi", "worker", "postgres", "redis", "nginx"}
    assert {row["result"] for row in project.inv("smoke", "--json").ok().json["tests"]} == {
        "healthy"
    }


def test_the_samples_end_to_end_suite_passes_against_the_deployed_service(project):
    tests = project.root / "deploy/tests/e2e"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests],
        env={**os.environ, "TOWLINE_BASE_URL": project.url, "TOWLINE_INSECURE": "1"},
        cwd=tests, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_no_container_of_the_sample_runs_as_root_or_has_capabilities(project):
    found = docker("ps", "-q", "--filter", f"label=towline.project={project.name}").split()
    assert len(found) >= 6
    for container in json.loads(docker("inspect", *found)):
        rows = docker("top", container["Id"], "-eo", "pid,uid,args").splitlines()[1:]
        assert "0" not in {row.split()[1] for row in rows}, (container["Name"], rows)
        assert container["HostConfig"]["CapDrop"] == ["ALL"], container["Name"]
        assert any("no-new-privileges" in item for item in container["HostConfig"]["SecurityOpt"])
        # Of the process that is always there; a healthcheck may be a shell for a moment.
        main = [row for row in rows if int(row.split()[0]) == container["State"]["Pid"]]
        assert "sh -c" not in main[0], (container["Name"], rows)


def test_prometheus_reads_the_targets_that_the_promotion_lists(project):
    port = read_env(project.env_file, {})["PROMETHEUS_PORT"]
    ask = f"http://127.0.0.1:{port}/api/v1/targets"

    def find():
        with urllib.request.urlopen(ask, timeout=5) as answer:
            found = json.loads(answer.read())["data"]["activeTargets"]
        return {(item["labels"]["job"], item["labels"].get("service", "")) for item in found}

    # It asks for the names of apps again only every few seconds.
    wait_until(lambda: ("newsroom-api", "") in find(), "the app is not found", limit=30)
    labels = find()
    assert (f"{project.name}-prometheus", "prometheus") in labels
    assert ("newsroom-api", "") in labels
    assert len([job for job, _ in labels if "fastapi" in job]) == 0


def test_images_carry_version_and_commit_and_the_release_their_id(project):
    manifest = json.loads((project.root / "deploy/release.json").read_text())
    rows = project.inv("build", "--dry-run", "--json").ok().json["images"]
    assert [row["state"] for row in rows] == ["built"]
    record = json.loads((project.folder / "releases/1.0.0/release.json").read_text())
    assert record["images"]["fastapi"].startswith("sha256:")
    assert record["images"]["fastapi"] == record["images"]["worker"] == record["images"]["migrate"]
    assert record["commit"] == manifest["commit"] != ""


def test_deploying_what_is_live_changes_nothing_and_says_so(project):
    before = snapshot(project)
    done = project.inv("deploy").ok()
    assert "1.0.0 is already live in local: nothing to do" in done.out
    assert snapshot(project) == before


def test_the_check_finds_nothing_wrong(project):
    done = project.inv("pre-deploy-check", "--json").ok()
    assert {row["severity"] for row in done.json["findings"]} == {"ok"}


def test_a_dry_run_of_an_update_touches_nothing(project):
    project.set(LOG_LEVEL="debug-of-two")
    project.promote("1.1.0")
    before = snapshot(project)
    for command in (("deploy", "--dry-run"), ("deploy.plan",), ("--dry", "deploy")):
        done = project.inv(*command).ok()
        assert "image fastapi" in done.out
        assert "variable LOG_LEVEL" in done.out
        assert "debug-of-two" not in done.out
    assert snapshot(project) == before


def test_an_update_under_load_loses_nothing_and_keeps_the_websocket(project):
    address = f"wss://127.0.0.1:{project.https}/ws"
    with Load(project.url + "/api/news") as load:
        with connect(address, ssl=no_verify(), proxy=None, close_timeout=1) as talk:
            deploy = project.start("deploy")
            wait_until(lambda: load.tally.releases["1.1.0"] > 50, "no traffic on 1.1.0", limit=60)
            # All traffic is on the new release, and the conversation with the old one goes on.
            talk.send("ping")
            assert talk.recv(timeout=5) == "pong"
        assert deploy.wait(60) == 0, deploy.stdout.read()
        time.sleep(0.5)
        tally = load.stop()
    deploy.stdout.close()
    assert_lossless(tally)
    assert set(tally.releases) == {"1.0.0", "1.1.0"}
    assert project.version() == "1.1.0"


FAILURES = {
    "health": ("1.2.0", "gate health failed: 0 of 1 containers healthy", "NEWSROOM_FAULT=health"),
    "errors": ("1.3.0", "gate smoke failed: 1 of 3 failed after 3 attempts", "GET /api/news: 500"),
    "exit": ("1.4.0", "gate health failed: container", "cannot start: NEWSROOM_FAULT=exit"),
}


@pytest.mark.parametrize("fault", FAILURES)
def test_a_bad_release_never_gets_traffic(project, fault):
    version, gate, shown = FAILURES[fault]
    project.set(NEWSROOM_FAULT=fault)
    project.promote(version)
    with Load(project.url + "/api/news") as load:
        done = project.inv("deploy")
        tally = load.stop()
    assert done.code == 4, done.text
    assert_lossless(tally)
    assert set(tally.releases) == {"1.1.0"}
    assert gate in done.err
    assert shown in done.err
    assert "1.1.0 serves all traffic" in done.err
    assert "next" in done.err
    assert "Traceback" not in done.text
    kept = {row["release"]: row for row in project.inv("status", "--json").ok().json["kept"]}
    assert kept[version]["status"] == "bad"
    assert gate.split(":")[0] in kept[version]["reason"]
    logs = list((project.folder / "releases" / version / "logs").glob("*.log"))
    assert logs
    assert all(path.stat().st_mode & 0o077 == 0 for path in logs)
    project.set(NEWSROOM_FAULT="")


def test_a_bad_release_is_not_where_a_rollback_goes(project):
    plan = project.inv("rollback", "--dry-run").ok()
    assert "rollback" in plan.out
    assert " 1.0.0 to local" in plan.out


def test_a_rollback_under_load_brings_back_image_and_configuration(project):
    with Load(project.url + "/api/news") as load:
        done = project.inv("rollback", "--version", "1.0.0", "--reason", "a bug", "--auto-approve")
        done.ok()
        time.sleep(0.3)
        tally = load.stop()
    assert_lossless(tally)
    assert set(tally.releases) == {"1.1.0", "1.0.0"}
    assert project.version() == "1.0.0"
    status = project.inv("status", "--json").ok().json
    slot = status["slot"]
    name = f"{project.name}-local-{slot}-fastapi-1"
    environment = docker("inspect", "-f", "{{json .Config.Env}}", name)
    assert "debug-of-two" not in environment
    left = {row["release"]: row for row in status["kept"]}["1.1.0"]
    assert (left["status"], left["reason"]) == ("bad", "a bug")


def test_a_rollback_holds_deploys_back_until_someone_lifts_the_hold(project):
    assert "rolled back from 1.1.0: a bug" in project.inv("status").ok().out
    before = snapshot(project)
    done = project.inv("deploy")
    assert done.code == 3, done.text
    assert "local is on hold: rolled back from 1.1.0: a bug" in done.err
    assert "inv hold.lift --env local" in done.err
    assert snapshot(project) == before
    assert "lifted the hold of local" in project.inv("hold.lift").ok().out
    assert "local is not on hold" in project.inv("hold.lift").ok().out


def test_a_router_configuration_that_nginx_refuses_changes_nothing(project):
    conf = project.root / "deploy/security/nginx/nginx.conf"
    good = conf.read_text()
    conf.write_text(good.replace("gzip on;", "gzip on; nonsense on;"))
    project.promote("1.5.0")
    with Load(project.url + "/api/news") as load:
        checked = project.inv("deploy")
        done = project.inv("deploy", "--skip-check")
        tally = load.stop()
    conf.write_text(good)
    assert checked.code == 3, checked.text
    assert 'unknown directive "nonsense" in' in checked.err
    assert done.code == 4, done.text
    assert 'nginx refuses the new configuration: unknown directive "nonsense" in' in done.err
    assert_lossless(tally)
    assert set(tally.releases) == {"1.0.0"}
    assert (project.folder / "live/security/nginx/nginx.conf").read_text() == good


def test_new_variables_alone_are_a_release_that_can_be_left_again(project):
    project.promote("1.6.0")
    project.inv("deploy").ok()
    project.set(LOG_LEVEL="rotated")
    assert "1.6.0+r2 is live" in project.inv("deploy").ok().out
    assert project.version() == "1.6.0"
    assert "1.6.0 is live" in project.inv("rollback", "--auto-approve").ok().out
    project.inv("hold.lift").ok()
    frozen = project.folder / "releases"
    assert "rotated" in (frozen / "1.6.0+r2/env").read_text()
    assert "rotated" not in (frozen / "1.6.0/env").read_text()


def test_a_version_that_is_not_kept_is_refused_with_those_that_are(project):
    before = snapshot(project)
    done = project.inv("rollback", "--version", "9.9.9", "--auto-approve")
    assert done.code == 2
    assert "release 9.9.9 is not retained in local" in done.err
    assert "1.1.0" in done.err
    assert snapshot(project) == before


def test_the_journal_tells_all_of_it_and_is_whole(project):
    assert "the chain is whole" in project.inv("history", "--verify").ok().out
    rows = project.inv("history", "--json").ok().json["operations"]
    notes = [row["operation"] for row in rows if row["result"] == "note"]
    assert notes == ["hold.lift", "hold.lift"]
    rows = [row for row in reversed(rows) if row["result"] != "note"]
    assert [(row["operation"], row["release"], row["result"]) for row in rows] == [
        ("deploy", "1.0.0", "ok"),
        ("deploy", "1.1.0", "ok"),
        ("deploy", "1.2.0", "rolled back"),
        ("deploy", "1.3.0", "rolled back"),
        ("deploy", "1.4.0", "rolled back"),
        ("rollback", "1.0.0", "ok"),
        ("deploy", "1.5.0", "rolled back"),
        ("deploy", "1.6.0", "ok"),
        ("deploy", "1.6.0+r2", "ok"),
        ("rollback", "1.6.0", "ok"),
    ]


def test_the_recreate_strategy_replaces_too(project):
    project.promote("2.0.0")
    project.inv("deploy", "--strategy", "recreate").ok()
    assert project.version() == "2.0.0"


def test_logs_are_shown(project):
    done = project.inv("logs", "--service", "worker", "--lines", "5").ok()
    assert "newsroom.worker" in done.out


def test_down_asks_and_then_leaves_nothing_running(project):
    refused = project.inv("down")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert project.version() == "2.0.0"
    project.inv("down", "--yes").ok()
    assert project.containers() == ""
    assert project.inv("status").ok().out.startswith(f"{project.name} in local: nothing is live")
