"""Three real Docker hosts behind SSH, as one fleet: container hosts of the lab."""

import re

import pytest

from loadgen import Load
from projects import docker, remove
from toy import APP, release, toy_on, version_on

FAULT = """
if os.path.exists("/fault/broken"):
    raise SystemExit("broken on this host")
"""


@pytest.fixture(scope="module")
def project(lab, tmp_path_factory):
    """A small service on the three hosts; a file on a host breaks it there."""
    made = toy_on(tmp_path_factory.mktemp("fleet"), lab)
    compose = made.root / "deploy/docker/docker-compose.prod.yml"
    fault = "volumes: [/srv:/fault:ro]\n    x-towline: {role: app"
    compose.write_text(compose.read_text().replace("x-towline: {role: app", fault))
    write(made, "1.0.0")
    yield made
    remove(made)


def write(project, version):
    imports = "import http.server, json, os, signal, socket"
    release(project, version, APP.replace(imports, f"{imports}\n{FAULT}"))


def url(host):
    return f"http://127.0.0.1:{host.ports[8080]}"


def serving(lab):
    return [version_on(host) for host in lab.hosts]


def test_an_unknown_host_key_is_refused_with_its_fingerprint(project, lab):
    known = lab.folder / "known_hosts"
    kept = known.read_text()
    known.write_text("")
    try:
        said = project.inv("deploy.plan")
    finally:
        known.write_text(kept)
    assert said.code == 2, said.text
    assert "is not known: it shows ED25519 SHA256:" in said.err
    assert "ssh-keyscan -p" in said.err


def test_a_changed_host_key_is_refused(project, lab):
    known = lab.folder / "known_hosts"
    kept = known.read_text()
    one, two = kept.splitlines()[:2]
    known.write_text(
        f"{one.split()[0]} {' '.join(two.split()[1:])}\n" + "\n".join(kept.splitlines()[1:]) + "\n"
    )
    try:
        said = project.inv("deploy.plan")
    finally:
        known.write_text(kept)
    assert said.code == 2, said.text
    assert "has changed" in said.err
    assert "ssh-keygen -R" in said.err


def test_the_first_release_comes_to_every_host(project, lab):
    plan = project.inv("deploy.plan").ok().out
    assert "hosts      lab1, lab2, lab3" in plan
    # Another file of tests may have brought all but what is built now.
    assert re.search(r"send layers of .+ over SSH, (about \d|how much is known once)", plan)
    said = project.inv("deploy").ok()
    assert serving(lab) == ["1.0.0"] * 3
    # The layers of the base image went once, with the first of the two images.
    assert "layers" in said.err
    assert "1.0.0 is already live" in project.inv("deploy").ok().text
    status = project.inv("status", "--json").ok().json
    assert [(row["host"], row["release"]) for row in status["hosts"]] == [
        ("lab1", "1.0.0"),
        ("lab2", "1.0.0"),
        ("lab3", "1.0.0"),
    ]
    assert status["versions"] == ["1.0.0"]


def test_a_new_release_loses_no_request_on_any_host(project, lab):
    write(project, "1.1.0")
    # Built here, wherever it will run.
    assert [row["state"] for row in project.inv("build", "--json").ok().json["images"]] == ["built"]
    loads = [Load(url(host)) for host in lab.hosts]
    for load in loads:
        load.__enter__()
    try:
        said = project.inv("deploy").ok()
    finally:
        for load in loads:
            load.__exit__(None, None, None)
    assert serving(lab) == ["1.1.0"] * 3
    for load in loads:
        assert load.tally.lost == []
        assert load.tally.failed == 0
        assert set(load.tally.releases) == {"1.0.0", "1.1.0"}
    assert "3 hosts" in said.err


def test_when_one_host_fails_all_go_back(project, lab):
    write(project, "1.2.0")
    docker("exec", lab.hosts[1].container, "touch", "/srv/broken")
    said = project.inv("deploy")
    assert said.code == 4, said.text
    assert "on lab2" in said.err
    assert "1.1.0 serves all traffic on all 3 hosts" in said.err
    assert "broken on this host" in said.err
    assert serving(lab) == ["1.1.0"] * 3
    assert project.inv("history", "--verify").ok()
    docker("exec", lab.hosts[1].container, "rm", "/srv/broken")


def test_a_host_that_is_not_there_stops_it_before_anything_changes(project, lab):
    docker("pause", lab.hosts[2].container)
    try:
        said = project.inv("deploy")
        assert said.code == 1, said.text
        assert "lab3 cannot be reached" in said.err
        assert "--without lab3" in said.err
        # It blocks nobody: the others are shown, and deployed to by whoever leaves it out.
        status = project.inv("status")
        assert status.code == 1, status.text
        assert "lab3 is away" in status.err
        assert "lab2" in status.out
        logs = project.inv("logs", "--lines", "1").ok()
        assert "--- lab3 away" in logs.err
        assert "--- lab2 " in logs.err
        project.inv("deploy", "--without", "lab3").ok()
    finally:
        docker("unpause", lab.hosts[2].container)
    assert serving(lab) == ["1.2.0", "1.2.0", "1.1.0"]
    differ = project.inv("status", "--json")
    assert differ.code == 1, differ.text
    assert differ.json["versions"] == ["1.1.0", "1.2.0"]


def test_it_goes_on_when_the_hosts_are_well_again(project, lab):
    write(project, "1.2.1")
    project.inv("deploy").ok()
    assert serving(lab) == ["1.2.1"] * 3


def test_a_rollback_takes_every_host_back(project, lab):
    # lab3 was away when this release was deployed to the others.
    said = project.inv("rollback", "--auto-approve").ok()
    assert serving(lab) == ["1.2.0"] * 3
    assert said.seconds < 60


def test_a_wiped_host_gets_what_serves_on_the_others(project, lab):
    host, live = lab.hosts[2].container, version_on(lab.hosts[0])
    docker(
        "exec",
        host,
        "sh",
        "-c",
        "docker rm -f $(docker ps -aq); docker image prune -af; rm -rf /var/lib/towline/*",
    )
    write(project, "1.3.0")
    status = project.inv("status")
    assert status.code == 1, status.text
    assert f"nothing serves on lab3, and {live} serves elsewhere" in status.err
    project.inv("deploy", "--host", "lab3").ok()
    assert serving(lab) == [live] * 3
    assert project.inv("status", "--json").ok().json["problems"] == []


def test_the_lead_moves_and_no_order_of_the_hosts_begins_a_second_journal(project, lab):
    config = project.root / "towline.yaml"
    text = config.read_text()
    config.write_text(text.replace("[lab1, lab2, lab3]", "[lab3, lab2, lab1]"))
    before = project.inv("history", "--json").ok().json["operations"]
    assert before[0]["operation"] == "deploy"
    config.write_text(text.replace("[lab1, lab2, lab3]", "[lab2, lab3]"))
    refused = project.inv("down", "--yes")
    assert refused.code == 2, refused.text
    assert "lab1 is the lead of local" in refused.err
    config.write_text(text)
    project.inv("hosts.lead", "--host", "lab2").ok()
    assert "lab2 is the lead" in project.inv("hosts.lead").ok().out
    assert "the chain is whole" in project.inv("history", "--verify").ok().out
    assert project.inv("history", "--json").ok().json["operations"][1:] == before


def test_no_secret_file_of_a_host_is_readable_by_others(lab):
    for host in lab.hosts:
        found = docker(
            "exec", host.container, "find", "/var/lib/towline", "-name", "env", "-perm", "/077"
        )
        assert found == ""


def test_health_logs_and_down_are_of_all_hosts(project, lab):
    rows = project.inv("health-check", "--json").ok().json["services"]
    assert {row["host"] for row in rows} == {"lab1", "lab2", "lab3"}
    assert {row["health"] for row in rows} == {"healthy"}
    assert "--- lab3 " in project.inv("logs").ok().err
    assert "lab2: remove container" in project.inv("down", "--yes").ok().out
    for host in lab.hosts:
        assert docker("exec", host.container, "docker", "ps", "-q") == ""
