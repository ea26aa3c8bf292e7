"""Images by a registry: pushed once from here, pulled by digest by every host."""

import base64
import json
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from projects import docker, remove
from toy import APP, toy_on, version_on
from watch import Watch

PLANTED = "pl4nted-t0ken/with+specials"
TELLS = """
import os, sys
print("the token is", os.environ["API_TOKEN"], flush=True)
raise SystemExit("it does not start")
"""


@pytest.fixture(scope="module")
def project(lab, tmp_path_factory):
    """A small service whose image is named after the lab's registry."""
    made = toy_on(tmp_path_factory.mktemp("registry"), lab)
    store = lab.registry
    made.environ["LAB_REGISTRY_PASSWORD"] = store.password
    compose = made.root / "deploy/docker/docker-compose.prod.yml"
    text = compose.read_text()
    text = text.replace(f"{made.name}-api", f"{store.address}/team/{made.name}-api")
    secret = "environment: {API_TOKEN: '${API_TOKEN}'}"
    compose.write_text(
        text.replace("x-towline: {role: app", f"{secret}\n    x-towline: {{role: app")
    )
    made.env_file.write_text(f"API_TOKEN={PLANTED}\n")
    config = made.root / "towline.yaml"
    settings = yaml.safe_load(config.read_text())
    password = {"username": store.username, "password": "LAB_REGISTRY_PASSWORD"}
    settings["registries"] = {store.address: password}
    settings["environments"]["other"] = settings["environments"]["local"]
    config.write_text(yaml.safe_dump(settings))
    promote(made, "1.0.0")
    yield made
    remove(made)


def promote(project, version, code=APP):
    (project.root / "app/app.py").write_text(f"{code}# {version}\n")
    project.commit(f"feat: {version}")
    project.inv("promote", "--version", version).ok()


def image(project, lab, version):
    return f"{lab.registry.address}/team/{project.name}-api:{version}"


def test_a_wrong_password_is_said_before_anything_is_built(project):
    said = project.inv("deploy.plan", env={"LAB_REGISTRY_PASSWORD": "wr0ng-pl4nted"})
    assert said.code == 2, said.text
    assert "does not accept the credentials" in said.err
    assert "wr0ng-pl4nted" not in said.text


def test_a_missing_password_is_named(project):
    said = project.inv("deploy.plan", env={"LAB_REGISTRY_PASSWORD": ""})
    assert said.code == 2, said.text
    assert "LAB_REGISTRY_PASSWORD, the password for" in said.err


def test_what_is_built_here_is_pushed_once_and_pulled_by_digest(project, lab):
    plan = project.inv("deploy.plan").ok().out
    assert f"push {image(project, lab, '1.0.0')}" in plan
    assert f"from {lab.registry.address} by digest" in plan
    said = project.inv("deploy").ok()
    assert [version_on(host) for host in lab.hosts] == ["1.0.0"] * 3
    assert "layers, 0 were there" in said.err
    record = project.inv("status", "--json").ok().json
    assert record["live"] == "1.0.0"
    pinned = {images(project, host)["web"] for host in lab.hosts}
    assert len(pinned) == 1
    assert f"{lab.registry.address}/team/{project.name}-api@sha256:" in pinned.pop()


def images(project, host):
    path = f"/var/lib/towline/{project.name}/local/releases/1.0.0/release.json"
    return json.loads(docker("exec", host.container, "cat", path))["images"]


def test_what_was_pushed_elsewhere_is_only_pulled(project, lab):
    promote(project, "1.1.0")
    project.inv("deploy").ok()
    # As on the machine of somebody who never built it, for hosts that do not have it.
    for host in lab.hosts:
        docker("exec", host.container, "docker", "rmi", "-f", image(project, lab, "1.1.0"))
    docker("rmi", "-f", image(project, lab, "1.1.0"))
    plan = project.inv("deploy.plan", "--env", "other").ok().out
    assert ". build " not in plan
    assert ". push " not in plan
    assert "by digest, about" in plan


def test_another_image_under_the_name_of_this_version_is_refused(project, lab):
    promote(project, "1.1.5")
    docker("tag", image(project, lab, "1.0.0"), image(project, lab, "1.1.5"))
    store = lab.registry
    login = ["docker", "login", "-u", store.username, "--password-stdin", store.address]
    subprocess.run(login, input=store.password, text=True, check=True, capture_output=True)
    docker("push", image(project, lab, "1.1.5"))
    docker("logout", store.address)
    docker("rmi", image(project, lab, "1.1.5"))
    said = project.inv("deploy.plan")
    assert said.code == 2, said.text
    assert "was not built from what is promoted" in said.err


def test_no_host_keeps_a_login(project, lab):
    password = project.environ["LAB_REGISTRY_PASSWORD"]
    for host in lab.hosts:
        where = ["/home/deploy", "/root", "/var/lib/towline", "/tmp", "/etc"]
        argv = ["docker", "exec", host.container, "grep", "-rlsF", password, *where]
        assert subprocess.run(argv, capture_output=True, text=True, check=False).stdout == ""


def test_secrets_are_in_no_argument_no_journal_and_no_log_of_any_host(project, lab):
    """The containers that are hosts share this machine's list of processes."""
    promote(project, "1.1.6", TELLS)
    with Watch() as watch:
        said = project.inv("deploy")
    assert said.code == 4, said.text
    assert watch.samples > 20
    secrets = [PLANTED, project.environ["LAB_REGISTRY_PASSWORD"]]
    forms = [form for text in secrets for form in (text, quote(text, safe=""))]
    forms += [base64.b64encode(text.encode()).decode().rstrip("=") for text in secrets]
    seen = "\n".join(watch.seen)
    assert "docker compose" in seen
    assert "system dial-stdio" in seen
    for form in forms:
        assert form not in seen
        assert form not in said.text
    assert "the token is [redacted]" in said.err
    for host in lab.hosts:
        # Only where containers get it from, for nobody else to read.
        found = docker(
            "exec", host.container, "sh", "-c", f"grep -rlF '{PLANTED}' /var/lib/towline"
        )
        names = {Path(line).name for line in found.split()}
        assert names <= {"env", "blue.json", "green.json"}, names
        modes = docker("exec", host.container, "stat", "-c", "%a", *found.split()).split()
        assert set(modes) == {"600"}


def test_a_registry_that_is_down_changes_nothing(project, lab):
    promote(project, "1.2.0")
    docker("stop", "--time", "0", lab.registry.container)
    try:
        said = project.inv("deploy")
    finally:
        docker("start", lab.registry.container)
    assert said.code == 1, said.text
    assert f"the registry {lab.registry.address}" in said.err
    assert [version_on(host) for host in lab.hosts] == ["1.1.0"] * 3
    assert project.inv("status", "--json").ok().json["lock"] is None
