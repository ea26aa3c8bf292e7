"""What a command does not need it does not load: a start would take twice as long with it."""

import os
import subprocess
import sys

import pytest

from projects import UNMEASURED

PROJECT = {
    "tasks.py": "from towline.tasks import ns\n",
    "towline.yaml": "project: shop\nsource: app\nversions: {first: 0.1.0}\n"
    "promote: {copy: {src: src}, commit: false}\n",
    "app/src/main.py": "print('one')\n",
}
RUN = """
import sys
from invoke.main import program
try:
    program.run(["inv", *sys.argv[1:]])
except SystemExit as error:
    assert not error.code, error.code
"""
TELL = """
import sys
print(" ".join({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""
# What speaks with engines, hosts and the web, and what parses or renders for them.
HEAVY = {"docker", "requests", "urllib3", "fabric", "paramiko", "cryptography", "bcrypt", "httpx",
         "websockets", "jinja2", "github", "git", "cyclonedx", "dotenv"}  # fmt: skip


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Ann")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "ann@example.org")
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q", "-b", "main", "--template="], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "feat: start"], check=True)
    return tmp_path


def loaded(root, *words):
    """The top-level modules that a command has loaded when it ends; it must succeed."""
    return after(root, RUN, *words)


def after(root, code, *words, tell=TELL):
    """The top-level modules that Python has loaded after running some code."""
    done = subprocess.run(
        [sys.executable, "-c", code + tell, *words],
        cwd=root, env={**os.environ, **UNMEASURED}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def test_the_list_of_tasks_loads_no_more_of_python_than_it_needs(root):
    # Cryptography and compression: a third of what our own modules take.
    found = loaded(root, "--list")
    assert not (HEAVY | {"pydantic", "secrets", "random", "hmac", "shutil", "bz2"}) & found


TASKS = """
import sys
names = [name.split(".")[2] for name in sys.modules if name.startswith("towline.tasks.")]
print(*sorted(names), file=sys.stderr)
"""
COLLECTION = {"command", "deferred", "index"}


def test_the_list_of_tasks_loads_no_task(root):
    assert after(root, RUN + TASKS, "--list", tell="") == COLLECTION
    assert after(root, RUN + TASKS, "--list", "--list-format", "json", tell="") == COLLECTION


def test_a_command_loads_its_own_task_and_no_other(root):
    shared = {"cli", "terminal", "output", "words"}
    assert after(root, RUN + TASKS, "version.next", tell="") == COLLECTION | shared | {"version"}


COMPILED = """
import sys
from towline.config.deploy_sections import Overridable, Rollout
from towline.config.models import Settings, TowlineFile
models = (Settings, Overridable, Rollout, TowlineFile)
print(*(each.__name__ for each in models if each.__pydantic_complete__), file=sys.stderr)
"""


def test_only_the_models_that_validate_are_compiled(root):
    assert after(root, RUN + COMPILED, "version.next", tell="") == {"Settings"}


COLLECTOR = """
import gc, sys
print(gc.get_threshold()[0] > 700, gc.get_freeze_count() > 0, file=sys.stderr)
"""


def test_the_collector_does_not_look_through_what_is_loaded(root):
    assert after(root, RUN + COLLECTOR, "--list", tell="") == {"True"}
    assert after(root, "import towline.tasks" + COLLECTOR, tell="") == {"False"}


def test_the_next_version_loads_nothing_heavy(root):
    assert not (HEAVY | {"tomllib", "html"}) & loaded(root, "version.next")
    assert not HEAVY & loaded(root, "version.changelog", "--all", "--dry-run")


def test_an_unchanged_promotion_loads_nothing_heavy(root):
    loaded(root, "promote", "--no-commit")
    assert not HEAVY & loaded(root, "promote", "--no-commit")


ENGINE = """
from towline.errors import NoEngine
from towline.hosts.local import LocalHost
try:
    LocalHost().docker()
except NoEngine:
    pass
import docker
"""
OVER_SSH = {"paramiko", "cryptography", "bcrypt"}


def test_the_engine_of_this_machine_is_asked_without_ssh(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    found = after(tmp_path, ENGINE)
    assert "requests" in found
    assert not (OVER_SSH | {"fabric"}) & found


def test_an_engine_that_ssh_leads_to_is_asked_through_it(tmp_path, monkeypatch):
    """By the SDK where DOCKER_HOST says so; a host of the environment needs none of its SSH."""
    later = "import towline.hosts.sdk as sdk; sdk.load_docker_over_ssh().docker_client"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    assert not OVER_SSH & after(tmp_path, f"{ENGINE}{later}")
    monkeypatch.setenv("DOCKER_HOST", "ssh://nobody@127.0.0.1:9")
    assert after(tmp_path, "import towline.hosts.sdk as sdk; sdk.load_docker()") >= OVER_SSH


HOSTS = TASKS.replace("towline.tasks", "towline.hosts")


def test_a_deploy_here_loads_nothing_of_other_ways(root, monkeypatch):
    """Up to the point at which no engine answers; the rest is in the tests on a real one."""
    loaded(root, "promote", "--no-commit")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{root}/nothing.sock")
    run = RUN.replace("assert not error.code", "assert error.code == 2")
    unused = HEAVY - {"docker", "requests", "urllib3", "dotenv"}
    assert not unused & after(root, run, "deploy", "--yes")
    hosts = after(root, run + HOSTS, "deploy", "--yes", tell="")
    assert "local" in hosts
    assert not {"remote", "link", "forward", "host_keys", "sftp_files", "install"} & hosts
