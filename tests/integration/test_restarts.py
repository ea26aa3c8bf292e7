"""What users will feel is told before it is done, with its reason, and is agreed to."""

import json
import re

import pytest

from loadgen import Load, wait_until
from projects import docker, remove
from toy import APP, release, toy

SECRET = "s3cret-value"


@pytest.fixture
def project(tmp_path):
    made = toy(tmp_path)
    config = made.root / "towline.yaml"
    config.write_text(config.read_text().replace("local: {", "local: {confirm: true, "))
    yield made
    remove(made)


def change(project, service, **environment):
    """Give a persistent service other environment variables."""
    compose = project.root / "deploy/docker/docker-compose.prod.yml"
    head = f"  {service}:\n"
    text = re.sub(rf"({head})(    environment: .*\n)?", r"\1", compose.read_text())
    compose.write_text(text.replace(head, f"{head}    environment: {json.dumps(environment)}\n"))


def started(project, service):
    name = f"{project.name}-local-{service}-1"
    return docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.Config.Env}}", name)


def test_what_restarts_is_announced_and_agreed_to(project):
    release(project, "1.0.0")
    project.inv("deploy", "--yes").ok()
    nginx = started(project, "nginx")

    change(project, "notes", TOKEN=SECRET)
    release(project, "1.1.0")
    plan = project.inv("deploy.plan").ok()
    assert "! recreates notes (backing): environment TOKEN; its connections break" in plan.out
    assert "nginx (router)" not in plan.out
    assert SECRET not in plan.text
    assert "the deploy recreates notes" in project.inv("pre-deploy-check").ok().text
    before = started(project, "notes")
    refused = project.inv("deploy", "--yes")
    assert refused.code == 2, refused.text
    assert "add --allow-restart" in refused.err
    assert started(project, "notes") == before
    done = project.inv("deploy", "--yes", "--allow-restart").ok()
    assert re.search(r"notes recreated \(environment TOKEN\), away for \d+\.\d s", done.err)
    # Nothing but what was announced.
    assert started(project, "nginx") == nginx

    # A deploy that fails does not restart it once more: it is well, and the old release too.
    change(project, "notes", TOKEN="another")
    release(project, "1.2.0", "raise SystemExit(3)\n" + APP)
    failed = project.inv("deploy", "--yes", "--allow-restart")
    assert failed.code == 4, failed.text
    assert "notes left as it is" in failed.err
    after = started(project, "notes")
    assert "TOKEN=another" in after
    # What was repaired needs no restart any more, so that nobody is asked.
    release(project, "1.2.1")
    assert "! " not in project.inv("deploy.plan").ok().out
    project.inv("deploy", "--yes").ok()
    assert started(project, "notes") == after


def test_a_router_that_is_recreated_or_healed_says_how_long_it_is_away(project):
    release(project, "1.0.0")
    project.inv("deploy", "--yes").ok()
    change(project, "nginx", TZ="UTC")
    release(project, "1.1.0")
    plan = project.inv("deploy.plan").ok()
    assert "! recreates nginx (router): environment TZ; users are refused meanwhile" in plan.out
    with Load(f"http://127.0.0.1:{project.http}/") as load:
        done = project.inv("deploy", "--yes", "--allow-restart").ok()
        load.stop()
    (away,) = re.findall(r"nginx recreated \(environment TZ\), away for (\d+\.\d) s", done.err)
    print(f"the router was away for {away} s")
    assert float(away) < 8

    # As version 0.6.0 left it: reloaded by the engine's kill API, and no word of that.
    docker("kill", "--signal=HUP", f"{project.name}-local-nginx-1")
    record = project.folder / "live/.kept.json"
    known = json.loads(record.read_text())
    del known["x-towline-since"]
    record.write_text(json.dumps(known))
    release(project, "1.2.0")
    plan = project.inv("deploy.plan").ok()
    assert "! restarts nginx (router): its restart policy was disabled" in plan.out
    assert f"({away} s the last time)" in plan.out
    project.inv("deploy", "--yes", "--allow-restart").ok()
    docker("exec", "--detach", f"{project.name}-local-nginx-1", "sh", "-c", "kill -TERM 1")
    restarts = "{{.RestartCount}} {{.State.Running}}"
    name = f"{project.name}-local-nginx-1"
    wait_until(lambda: docker("inspect", "-f", restarts, name) == "1 true\n", "it stays down")
    release(project, "1.3.0")
    assert "! " not in project.inv("deploy.plan").ok().out


def test_the_way_back_from_a_killed_deploy_says_what_it_restarts(project):
    release(project, "1.0.0")
    project.inv("deploy", "--yes").ok()
    change(project, "nginx", TZ="UTC")
    change(project, "notes", TOKEN=SECRET)
    release(project, "1.1.0")
    deploy = project.start("deploy", "--yes", "--allow-restart")

    def is_recreated():
        done = [(x["event"], x["step"]) for x in project.journal()]
        return done.count(("outcome", "reconcile")) == 2

    wait_until(is_recreated, "nothing was recreated")
    deploy.kill()
    deploy.wait()
    plan = project.inv("deploy.abort", "--dry-run").ok()
    assert "! recreates nginx (router): environment TZ" in plan.out
    # It is well, and stays as it is.
    assert "notes (backing)" not in plan.out
    before = started(project, "nginx"), started(project, "notes")
    refused = project.inv("deploy.abort")
    assert refused.code == 2, refused.text
    assert "add --allow-restart" in refused.err
    assert (started(project, "nginx"), started(project, "notes")) == before
    done = project.inv("deploy.abort", "--allow-restart").ok()
    assert "nginx recreated (environment TZ)" in done.err
    assert started(project, "notes") == before[1]
    assert "1.0.0 is live in local" in done.out
