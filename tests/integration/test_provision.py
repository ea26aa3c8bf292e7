"""A bare Debian host behind SSH becomes one that can be deployed to, and is taken back again.

systemd is not to be had in a container: what it does is in the plans of the unit tests only.
"""

import json
import subprocess
from pathlib import Path

import pytest

from projects import LAB, docker, free_ports
from towline.config.envfile import read_env
from towline.lab import keys
from towline.lab.fleet import _UNPRIVILEGED
from toy import toy

IMAGE = "towline-lab/bare:trixie"
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def image():
    settings = read_env(LAB, {}) if LAB.exists() else {}
    base = settings.get("DEBIAN_IMAGE", "debian:trixie")
    network = settings.get("BUILD_NETWORK", "default")
    docker("build", "--quiet", "--network", network, "--build-arg", f"DEBIAN_IMAGE={base}",
           "--tag", IMAGE, str(HERE / "bare"))  # fmt: skip
    return IMAGE


@pytest.fixture(scope="module")
def host(image, tmp_path_factory):
    """A running bare host, and the folder with the keys to it."""
    folder = tmp_path_factory.mktemp("bare")
    name = f"t{folder.name}".replace("_", "")
    (port,) = free_ports(1)
    line = keys.key_pair(folder / "id_ed25519")
    host_line = keys.key_pair(folder / "host")
    docker("create", *_UNPRIVILEGED, "--name", name,
           "--publish", f"127.0.0.1:{port}:22", image)  # fmt: skip
    try:
        docker("cp", str(folder / "host"), f"{name}:/etc/ssh/ssh_host_ed25519_key")
        docker("cp", str(folder / "host.pub"), f"{name}:/etc/ssh/ssh_host_ed25519_key.pub")
        docker("start", name)
        for user in ("root", "admin", "guest"):
            home = "/root" if user == "root" else f"/home/{user}"
            script = (
                f"chown root: /etc/ssh/ssh_host_*; echo '{line}' > {home}/.ssh/authorized_keys; "
                f"chown {user}: {home}/.ssh/authorized_keys; chmod 600 {home}/.ssh/authorized_keys"
            )
            docker("exec", name, "sh", "-c", script)
        (folder / "known_hosts").write_text(keys.known_hosts({port: host_line}))
        config = keys.ssh_config(folder, {"bare": port})
        (folder / "ssh_config").write_text(config)
        yield name, folder
    finally:
        docker("rm", "--force", "--volumes", name)


@pytest.fixture(scope="module")
def project(host, tmp_path_factory):
    made = toy(tmp_path_factory.mktemp("provision"))
    config = made.root / "towline.yaml"
    where = f"hosts: [bare], ssh_config: '{host[1] / 'ssh_config'}'"
    config.write_text(
        config.read_text().partition("environments:")[0]
        + "checks: {disk_free: 1MB}\n"
        + f"environments: {{staging: {{{where}}}}}\n"
    )
    return made


def provision(project, *arguments):
    return project.inv("provision", "--env", "staging", "--engine", "distro", *arguments)


def inside(host, *command):
    argv = ["docker", "exec", host[0], *command]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_who_deploys_is_not_there_yet(project):
    said = project.inv("provision.check", "--env", "staging")
    assert said.code == 2, said.text
    assert "`inv provision --env staging --login root`" in said.err


def test_the_check_names_all_that_is_missing(project):
    said = project.inv("provision.check", "--env", "staging", "--login", "root", "--json")
    assert said.code == 3, said.text
    found = {(row["check"], row["severity"]) for row in said.json["findings"]}
    assert ("engine", "error") in found
    assert ("system", "ok") in found
    assert ("disk", "ok") in found
    engine = next(row for row in said.json["findings"] if row["check"] == "engine")
    assert (engine["host"], engine["message"]) == ("bare", "Docker is not installed")
    assert "`inv provision --env staging`" in engine["remedy"]


def test_without_the_rights_of_root_nothing_is_planned(project):
    said = provision(project, "--login", "guest")
    assert said.code == 2, said.text
    assert "guest may not act as root there" in said.err


def test_a_plan_changes_nothing(project, host):
    said = provision(project, "--login", "root", "--dry-run").ok()
    assert "make /var/lib/towline" in said.out
    assert "install docker.io, docker-cli, docker-compose, docker-buildx" in said.out
    assert "make the user deploy" in said.out
    assert "the world needs the ports of the router" in said.err
    assert inside(host, "test", "-e", "/var/lib/towline").returncode == 1
    said = provision(project, "--login", "root")
    assert said.code == 2, said.text
    assert "add --yes" in said.err


def test_a_step_that_fails_says_why_and_the_next_run_goes_on(project, host):
    inside(host, "sh", "-c", "mkdir /sources; mv /etc/apt/sources.list.d/* /sources")
    said = provision(project, "--login", "admin", "--yes")
    inside(host, "sh", "-c", "mv /sources/* /etc/apt/sources.list.d")
    assert said.code == 1, said.text
    assert "bare: could not install docker.io" in said.err
    assert "Unable to locate package" in said.err or "no installation candidate" in said.err
    record = json.loads(inside(host, "cat", "/etc/towline/provisioned.json").stdout)
    assert record["folders"] == ["/var/lib/towline"]


def test_a_bare_host_becomes_one_that_can_be_deployed_to(project, host):
    said = provision(project, "--login", "admin", "--yes").ok()
    assert "next: `inv provision.check --env staging`" in said.out
    assert "make /var/lib/towline" not in said.out
    # By now the user who deploys is there.
    checked = project.inv("provision.check", "--env", "staging", "--json").ok().json["findings"]
    assert {row["severity"] for row in checked} <= {"ok", "warning"}
    engine = next(row for row in checked if row["message"].startswith("Docker engine"))
    assert engine["host"] == "bare"
    assert inside(host, "su", "deploy", "-c", "docker compose version").returncode == 0
    settings = json.loads(inside(host, "cat", "/etc/docker/daemon.json").stdout)
    assert settings["log-opts"]["max-size"]
    driver = inside(host, "docker", "info", "--format", "{{.LoggingDriver}}").stdout
    assert driver.strip() == "local"


def test_again_there_is_nothing_to_do(project):
    # As the user who deploys, too: nothing asks for rights that are not needed.
    assert "nothing to do" in provision(project, "--login", "root", "--yes").ok().out


def test_a_record_that_others_could_write_is_not_obeyed(project, host):
    record = json.loads(inside(host, "cat", "/etc/towline/provisioned.json").stdout)
    evil = json.dumps({**record, "files": {"/etc/apt/x": "$(touch /tmp/obeyed)"}})
    inside(host, "su", "deploy", "-c", f"echo '{evil}' > /var/lib/towline/provisioned.json")
    inside(host, "mv", "/etc/towline", "/etc/away")
    said = provision(project, "--login", "root", "--destroy", "--dry-run").ok()
    inside(host, "mv", "/etc/away", "/etc/towline")
    assert "nothing to do" in said.out
    # In the place that is root's, too, what no run of ours wrote is refused.
    inside(host, "cp", "/etc/towline/provisioned.json", "/etc/towline/saved")
    inside(host, "cp", "--no-preserve=mode", "/var/lib/towline/provisioned.json", "/etc/towline")
    said = provision(project, "--login", "root", "--destroy", "--yes")
    assert said.code == 1, said.text
    assert "is damaged" in said.err
    inside(host, "mv", "/etc/towline/saved", "/etc/towline/provisioned.json")
    assert inside(host, "test", "-e", "/tmp/obeyed").returncode == 1


def test_a_container_of_others_keeps_the_engine(project, host):
    script = (
        "cd / && tar -ch bin/sleep $(ldd /bin/sleep | grep -o '/[^ ]*') | docker import - tiny && "
        "docker run --detach --name theirs --network none tiny /bin/sleep 600"
    )
    started = inside(host, "sh", "-c", script)
    assert started.returncode == 0, started.stderr
    said = provision(project, "--login", "root", "--destroy", "--yes")
    assert said.code == 2, said.text
    assert "1 container runs there" in said.err
    assert "theirs" in inside(host, "docker", "ps", "--format", "{{.Names}}").stdout
    inside(host, "docker", "rm", "--force", "theirs")


def test_what_was_made_is_taken_back_and_nothing_else(project, host):
    inside(host, "sh", "-c", "mkdir -p /var/lib/towline/shop/prod && chown -R deploy: "
           "/var/lib/towline/shop")  # fmt: skip
    said = provision(project, "--login", "root", "--destroy", "--yes")
    assert said.code == 2, said.text
    assert "there is deployed: shop/prod" in said.err
    inside(host, "sh", "-c", "rmdir -p /var/lib/towline/shop/prod")
    said = provision(project, "--destroy", "--yes")
    assert said.code == 2, said.text
    assert "--login root" in said.err
    settings = json.loads(inside(host, "cat", "/etc/docker/daemon.json").stdout)
    text = json.dumps({**settings, "debug": False})
    inside(host, "sh", "-c", f"echo '{text}' > /etc/docker/daemon.json")
    provision(project, "--login", "root", "--destroy", "--yes").ok()
    assert inside(host, "id", "deploy").returncode == 1
    assert inside(host, "test", "-e", "/home/deploy").returncode == 1
    assert inside(host, "id", "admin").returncode == 0
    assert inside(host, "sh", "-c", "command -v docker").returncode != 0
    assert inside(host, "test", "-e", "/var/lib/towline").returncode == 1
    # What somebody added is theirs.
    kept = json.loads(inside(host, "cat", "/etc/docker/daemon.json").stdout)
    assert kept == {"debug": False}
    assert "nothing to do" in provision(project, "--login", "root", "--destroy", "--yes").ok().out


def test_container_hosts_are_made_by_the_local_provider(project):
    said = project.inv("provision", "--provider", "local", "--hosts", "2", "--dry-run").ok()
    assert "would start 2 container hosts" in said.out
    said = project.inv("provision", "--provider", "cloud")
    assert said.code == 2, said.text
