"""One project with a staging and a prod that differ in more than their variables."""

import json

import pytest
import yaml

from projects import docker, free_ports, remove
from toy import release, toy

# A path relative to the folder of the base file, another port, one more service.
OVERRIDE = """
services:
  web:
    ports: !override ["127.0.0.1:{port}:8000"]
    environment: {{ PLACE: prod }}
    volumes: ["./notes:/notes:ro"]
  cache:
    image: {name}-api:${{TOWLINE_VERSION:-dev}}
    command: [sleep, infinity]
    init: true
    stop_grace_period: 0s
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = toy(tmp_path_factory.mktemp("places"), router=False)
    (port,) = free_ports(1)
    made.prod = port
    base = made.root / "deploy/docker/docker-compose.prod.yml"
    base.rename(base.with_name("base.yml"))
    base.with_name("prod.yml").write_text(OVERRIDE.format(port=port, name=made.name))
    settings = {
        "project": made.name,
        "source": "app",
        "promote": {"copy": {"app.py": "src/app.py"}},
        "compose": "docker/base.yml",
        "rollout": {"strategy": "recreate", "watch": "300ms", "health_timeout": "10s"},
        "smoke": {"retries": 0, "requests": [{"path": "/staging"}, {"path": "/both"}]},
        "environments": {
            "prod": {
                "after": "staging",
                "url": f"http://127.0.0.1:{port}",
                "compose": ["docker/base.yml", "docker/prod.yml"],
                "rollout": {"bake_time": 0, "keep": 1},
                "smoke": {"requests": [{"path": "/prod", "contains": "nobody says this"}]},
            },
            "staging": {"url": f"http://127.0.0.1:{made.http}"},
        },
    }
    write(made, settings)
    release(made, "1.0.0")
    yield made
    remove(made)


def write(project, settings):
    (project.root / "towline.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))


def read(project):
    return yaml.safe_load((project.root / "towline.yaml").read_text())


def containers(project, environment):
    listed = docker(
        "ps", "-q", "--filter", f"label=towline.project={project.name}",
        "--filter", f"label=towline.env={environment}",
    )  # fmt: skip
    found = json.loads(docker("inspect", *listed.split())) if listed.split() else []
    return {item["Config"]["Labels"]["towline.service"]: item for item in found}


def test_each_environment_is_planned_and_deployed_by_its_own_settings(project):
    plans = {name: project.inv("deploy.plan", "--env", name).ok() for name in ("staging", "prod")}
    assert "cache" not in plans["staging"].out
    assert "cache" in plans["prod"].out
    # The old name of a key says so, once a command.
    (line,) = [line for line in plans["prod"].err.splitlines() if "rollout.watch" in line]
    assert line.startswith("warning  towline.yaml:")
    assert line.endswith(
        "`rollout.watch` is called `bake_time` now; the old name works until 0.8.0"
    )

    project.inv("deploy", "--env", "staging").ok()
    assert sorted(containers(project, "staging")) == ["web"]

    refused = project.inv("deploy", "--env", "prod")
    assert refused.code == 1, refused.text
    assert "/prod" in refused.text
    assert "/both" not in refused.text

    settings = read(project)
    settings["environments"]["prod"]["smoke"]["requests"] = [{"path": "/prod"}]
    write(project, settings)
    project.inv("deploy", "--env", "prod").ok()
    found = containers(project, "prod")
    assert sorted(found) == ["cache", "web"]
    assert "PLACE=prod" in found["web"]["Config"]["Env"]
    (mount,) = found["web"]["Mounts"]
    assert (mount["Destination"], mount["RW"]) == ("/notes", False)
    assert [*found["web"]["HostConfig"]["PortBindings"].values()] == [
        [{"HostIp": "127.0.0.1", "HostPort": str(project.prod)}]
    ]
    # Staging is as it was.
    (other,) = containers(project, "staging").values()
    assert "PLACE=prod" not in other["Config"]["Env"]
    assert "nothing to do" in project.inv("deploy.plan", "--env", "prod").ok().out


def test_other_compose_files_make_another_release_of_the_same_tree(project):
    settings = read(project)
    before = (project.root / "towline.yaml").read_text()
    settings["environments"]["prod"]["compose"] = "docker/base.yml"
    write(project, settings)
    assert "nothing to do" not in project.inv("deploy.plan", "--env", "prod").ok().out
    (project.root / "towline.yaml").write_text(before)
    assert "nothing to do" in project.inv("deploy.plan", "--env", "prod").ok().out


def test_an_override_that_was_changed_by_hand_is_found(project):
    file = project.root / "deploy/docker/prod.yml"
    before = file.read_text()
    file.write_text(before.replace("PLACE: prod", "PLACE: elsewhere"))
    refused = project.inv("deploy", "--env", "prod")
    assert refused.code == 3
    assert "docker/prod.yml" in refused.text
    file.write_text("services: [\n")
    checked = project.inv("pre-deploy-check", "--env", "prod")
    assert "deploy/docker/base.yml, deploy/docker/prod.yml: Compose does not accept" in checked.text
    file.unlink()
    assert "prod.yml does not exist" in project.inv("check", "--env", "prod").text
    file.write_text(before)


def test_what_is_wrong_in_an_environment_is_told_with_its_line(project):
    path = project.root / "towline.yaml"
    before = path.read_text()
    path.write_text(before.replace("bake_time: 0", "bake_tme: 0"))
    refused = project.inv("deploy.plan", "--env", "prod")
    assert refused.code == 2
    assert "unknown key `environments.prod.rollout.bake_tme`; did you mean `bake_time`?" in (
        refused.err
    )
    assert f"towline.yaml:{before[: before.index('bake_time: 0')].count(chr(10)) + 1}: " in (
        refused.err
    )
    path.write_text(before)
    unknown = project.inv("status", "--env", "producton")
    assert unknown.code == 2
    assert "towline.yaml knows: staging, prod" in unknown.err
