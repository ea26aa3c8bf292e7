"""What a command does not need it does not load: a start would take twice as long with it."""

import subprocess
import sys

import pytest

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
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def test_the_next_version_loads_nothing_heavy(root):
    assert not HEAVY & loaded(root, "version.next")
    assert not HEAVY & loaded(root, "version.changelog", "--all", "--dry-run")


def test_an_unchanged_promotion_loads_nothing_heavy(root):
    loaded(root, "promote", "--no-commit")
    assert not HEAVY & loaded(root, "promote", "--no-commit")
