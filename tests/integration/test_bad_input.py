"""Bad input and an unfit machine: one clear message, the right exit code, nothing changed."""

import contextlib
import os
import socket
import subprocess

import pytest

from projects import make_project, remove


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """Promoted, but never deployed: whatever appears on the engine or in the state shows."""
    made = make_project(tmp_path_factory.mktemp("bad"))
    made.promote("1.0.0")
    yield made
    remove(made)


@pytest.fixture
def project(ready):
    config, env = (ready.root / "towline.yaml").read_text(), ready.env_file.read_text()
    yield ready
    (ready.root / "towline.yaml").write_text(config)
    ready.env_file.write_text(env)


def refused(project, *arguments, code=2, env=None):
    """Run a command that must be refused with one message and no traceback."""
    done = project.inv(*arguments, env=env)
    assert done.code == code, done.text
    assert "Traceback" not in done.text
    assert done.err.count("error  ") == 1, done.err
    assert "next   " in done.err
    assert project.containers() == ""
    assert not project.folder.exists() or not list(project.folder.rglob("release.json"))
    return done.text


def edit(project, old, new):
    path = project.root / "towline.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_missing_secret(project):
    lines = project.env_file.read_text().splitlines()
    project.env_file.write_text(
        "\n".join(line for line in lines if not line.startswith("POSTGRES_PASSWORD=")) + "\n"
    )
    said = refused(project, "deploy", code=3)
    assert "POSTGRES_PASSWORD is not set" in said
    assert ".env.local" in said


def test_a_placeholder_secret(project):
    project.set(NEWSROOM_SECRET_KEY="change-me")
    assert "NEWSROOM_SECRET_KEY still holds a placeholder" in refused(project, "deploy", code=3)


def test_an_env_file_that_compose_reads_otherwise(project):
    project.set(NEWSROOM_SECRET_KEY="pa$wordlong")
    said = refused(project, "deploy", code=3)
    assert "NEWSROOM_SECRET_KEY" in said
    assert "NEWSROOM_SECRET_KEY='" in said
    assert "pa$wordlong" not in said


def test_all_findings_come_at_once(project):
    project.set(NEWSROOM_SECRET_KEY="change-me", REDIS_PASSWORD="")
    said = refused(project, "pre-deploy-check", code=3)
    assert "NEWSROOM_SECRET_KEY" in said
    assert "REDIS_PASSWORD" in said


def test_bad_yaml(project):
    (project.root / "towline.yaml").write_text("project: [x\n")
    assert "is not valid YAML" in refused(project, "deploy")


def test_an_unknown_key(project):
    edit(project, "rollout:", "rolout:")
    said = refused(project, "deploy")
    assert "unknown key `rolout`; did you mean `rollout`?" in said


def test_an_unknown_environment(project):
    said = refused(project, "deploy", "--env", "locl")
    assert "unknown environment 'locl'; did you mean `local`?" in said


@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_a_wrong_version_text(project, command):
    said = refused(project, command, "--version", "1.2;reboot")
    assert "'1.2;reboot' is not a semantic version" in said


def test_a_version_nobody_has(project):
    assert "release 7.0.0 is not retained" in refused(project, "deploy", "--version", "7.0.0")


def test_an_unknown_strategy(project):
    said = refused(project, "deploy", "--strategy", "blue-gren")
    assert "did you mean `blue-green`?" in said


def test_no_engine(project):
    said = refused(project, "deploy", env={"DOCKER_HOST": "unix:///nonexistent/docker.sock"})
    assert "no Docker engine answers" in said


def test_a_port_that_is_taken(project):
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        project.set(HTTP_PORT=port)
        said = refused(project, "deploy", code=3)
    assert f"port {port}, wanted by nginx, is in use" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_disk_that_is_nearly_full(project, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=50m", "tmpfs", small], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine does not let us mount a small file system")
    try:
        said = refused(project, "deploy", code=3, env={"TOWLINE_STATE": str(small)})
        assert "free for state" in said
        assert "2.0 GB wanted" in said
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_certificate_that_is_missing(project):
    key = project.root / "deploy/security/ssl/privkey.pem"
    content = key.read_bytes()
    key.unlink()
    try:
        assert "privkey.pem does not exist" in refused(project, "deploy", code=3)
    finally:
        key.write_bytes(content)
        key.chmod(0o600)


def test_a_deploy_tree_changed_by_hand(project):
    file = project.root / "deploy/src/newsroom/news.py"
    content = file.read_text()
    file.write_text(content + "# quick fix\n")
    try:
        said = refused(project, "deploy", code=3)
        assert "news.py" in said
        assert "inv promote" in said
    finally:
        file.write_text(content)


def test_a_compose_file_that_compose_refuses(project):
    file = project.root / "deploy/docker/docker-compose.prod.yml"
    content = file.read_text()
    file.write_text(content.replace("  fastapi:\n", "  fastapi:\n    portz: []\n"))
    try:
        project.inv("promote", "--version", "1.0.1", "--no-tests", "--allow-dirty").ok()
        assert "portz" in refused(project, "deploy")
    finally:
        file.write_text(content)
        project.inv("promote", "--version", "1.0.2", "--no-tests", "--allow-dirty").ok()


@contextlib.contextmanager
def edited(path, old, new):
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))
    try:
        yield
    finally:
        path.write_text(content)


def test_a_configuration_that_nginx_refuses(project):
    file = project.root / "deploy/security/nginx/nginx.conf"
    with edited(file, "http {", "http {\n    sever_tokens off;"):
        said = refused(project, "pre-deploy-check", code=3)
    assert "nginx refuses nginx's configuration: unknown directive" in said
    assert "security/nginx/nginx.conf:" in said
    assert str(project.root) not in said
    assert said.count("unknown directive") == 1
    left = subprocess.run(
        ["docker", "ps", "-aq", "--filter", "label=towline.check"], capture_output=True, check=True
    )
    assert left.stdout == b""


def test_the_check_knows_that_blue_green_needs_a_router(project):
    file = project.root / "deploy/docker/docker-compose.prod.yml"
    with edited(file, "role: router", "role: backing"):
        said = refused(project, "pre-deploy-check", code=3)
    assert "blue-green needs a router, and the compose file has none" in said


def test_no_terminal_and_no_yes(project):
    edit(project, "  local:\n", "  local:\n    confirm: true\n")
    assert "add --yes" in refused(project, "deploy")


def test_outside_of_a_project(project, tmp_path):
    (tmp_path / "tasks.py").write_text("from towline.tasks import ns\n")
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "invoke", "status"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no towline.yaml" in done.stderr
    assert "towline init" in done.stderr
