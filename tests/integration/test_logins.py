"""Ways to log in at a host: a user with sudo, whose key only an agent has, and who may not."""

import os
import subprocess

import pytest

from projects import docker, remove
from towline.lab import keys
from towline.lab.fleet import Lab
from toy import release, toy_on, version_on


@pytest.fixture
def agent(tmp_path):
    """The socket of an agent that has the key, and its public line; the file is gone."""
    key = tmp_path / "key"
    public = keys.key_pair(key)
    socket = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    try:
        subprocess.run(
            ["sh", "-c", 'until [ -S "$SSH_AUTH_SOCK" ]; do sleep 0.05; done; ssh-add "$1"', "sh",
             str(key)],
            env={**os.environ, "SSH_AUTH_SOCK": str(socket)}, check=True, timeout=10,
            capture_output=True,
        )  # fmt: skip
        key.unlink()
        yield socket, public
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def project(lab, tmp_path, agent):
    """A service on the first host, as a user who is not in the group docker."""
    socket, public = agent
    host = lab.hosts[0]
    docker(
        "exec", host.container, "sh", "-ec",
        "useradd --create-home --shell /bin/bash --password '*' admin;"
        "echo 'admin ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/admin;"
        'install -d -o admin -m 700 /home/admin/.ssh; echo "$1" > /home/admin/.ssh/authorized_keys',
        "sh", public,
    )  # fmt: skip
    folder = tmp_path / "ssh"
    folder.mkdir()
    (folder / "ssh_config").write_text(
        f"Host {host.name}\n  HostName 127.0.0.1\n  Port {host.ssh}\n  User admin\n"
        f"  UserKnownHostsFile {lab.folder / 'known_hosts'}\n"
    )
    made = toy_on(tmp_path / "project", Lab(folder, [host], lab.registry))
    config = made.root / "towline.yaml"
    config.write_text(config.read_text().replace("local: {", "local: {sudo: true, "))
    made.environ["SSH_AUTH_SOCK"] = str(socket)
    yield made
    remove(made)
    docker("exec", host.container, "userdel", "--remove", "admin")


def test_a_user_who_may_not_use_docker_reads_what_lets_them(project):
    release(project, "1.0.0")
    config = project.root / "towline.yaml"
    config.write_text(config.read_text().replace("sudo: true", "sudo: false"))
    said = project.inv("deploy")
    assert said.code == 2, said.text
    assert "permission denied" in said.err
    assert "`usermod -aG docker admin` there, or `sudo: true`" in said.err


def test_a_server_that_forwards_no_ports_is_named_before_anything_changes(project, lab):
    release(project, "1.0.0")
    container = lab.hosts[0].container
    docker("exec", container, "sed", "-i", "s/^/no-port-forwarding /",
           "/home/admin/.ssh/authorized_keys")  # fmt: skip
    said = project.inv("deploy")
    assert said.code == 3, said.text
    assert "TCP forwarding is disabled" in said.err
    assert "`AllowTcpForwarding local`" in said.err
    assert project.name not in docker("exec", container, "docker", "ps", "--all")


def test_a_user_with_sudo_and_a_key_in_an_agent(project, lab):
    host = lab.hosts[0]
    for version in ("1.0.0", "1.1.0"):
        release(project, version)
        done = project.inv("deploy").ok()
        # The words of Paramiko's own log.
        assert "open FAILED" not in done.err
        assert version_on(host) == version
    project.inv("rollback", "--auto-approve").ok()
    assert version_on(host) == "1.0.0"
    status = project.inv("status", "--json").ok().json
    assert status["release"] == "1.0.0"
    # Files are the user's own, and nobody else reads them.
    state = f"/home/admin/.local/state/towline/{project.name}/local/releases/1.1.0/env"
    said = docker("exec", host.container, "stat", "-c", "%U %a", state)
    assert said.split() == ["admin", "600"]
