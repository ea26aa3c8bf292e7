"""A real project on a real engine: the sample, promoted and deployed by the tasks people type."""

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from shapes import assert_shape

import forking

ROOT = Path(__file__).resolve().parents[1]
LAB = ROOT / ".towline" / "lab.env"


# For a process whose coverage is not to be measured: it is slower, and loads modules of its own.
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}


@dataclass(frozen=True)
class Done:
    """The outcome of one `inv` call."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str
    seconds: float

    @property
    def text(self):
        return self.out + self.err

    @property
    def json(self):
        data = json.loads(self.out)
        assert_shape(data)
        return data

    def ok(self):
        assert self.code == 0, f"{self.argv} exited with {self.code}\n{self.text}"
        return self


@dataclass
class Project:
    """A project folder with one environment of its own on the engine of this machine."""

    root: Path
    name: str
    http: int
    https: int
    state: Path
    environ: dict = field(default_factory=dict)
    forks: bool = True

    def inv(self, *arguments, env=None, timeout=300):
        """Run `inv` to its end."""
        return self.python(*arguments, module="invoke", env=env, timeout=timeout)

    def python(self, *arguments, module="", env=None, timeout=300):
        """Run a Python program to its end, or a module; in a fork, where it makes no difference."""
        environ = self._environ(env or {})
        run = forking.run if self.forks else forking.run_anew
        started = time.monotonic()
        done = run(arguments, module=module, cwd=self.root, env=environ, timeout=timeout)
        took = time.monotonic() - started
        name = "inv" if module == "invoke" else "python"
        return Done((name, *arguments), done.returncode, done.stdout, done.stderr, took)

    def _environ(self, more):
        own = {"TOWLINE_STATE": str(self.state), "NO_COLOR": "1"}
        return {**os.environ, **own, **self.environ, **more}

    def start(self, *arguments, program=""):
        """Start `inv`, or a program of a test, as a process of its own and in no fork."""
        argv = [program] if isinstance(program, str) else list(program)
        argv = argv if program else [sys.executable, "-m", "invoke"]
        return subprocess.Popen(
            [*argv, *arguments],
            cwd=self.root,
            env=self._environ({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def url(self):
        return f"https://127.0.0.1:{self.https}"

    @property
    def env_file(self):
        return self.root / ".env.local"

    @property
    def folder(self):
        """The state folder of the environment."""
        return self.state / self.name / "local"

    def get(self, path):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with urllib.request.urlopen(self.url + path, context=context, timeout=10) as answer:
            return answer.read().decode()

    def version(self):
        return json.loads(self.get("/version"))["version"]

    def set(self, **variables):
        """Change variables of the env file."""
        lines = self.env_file.read_text().splitlines()
        kept = [line for line in lines if line.partition("=")[0] not in variables]
        kept += [f"{name}={value}" for name, value in variables.items()]
        self.env_file.write_text("\n".join(kept) + "\n")

    def commit(self, message="feat: change something"):
        git(self.root, "add", "-A")
        git(self.root, "commit", "-qm", message)

    def promote(self, version):
        """Change the source, commit, and make it a release."""
        (self.root / "sample/src/newsroom/edition.py").write_text(f'EDITION = "{version}"\n')
        self.commit(f"feat: edition {version}")
        return self.inv("promote", "--version", version, "--no-tests").ok()

    def containers(self):
        """Everything the engine has of this project: name, id, state, start time."""
        listed = docker("ps", "-aq", "--no-trunc", "--filter", f"label=towline.project={self.name}")
        return docker("inspect", "-f", "{{.Name}} {{.Id}} {{.State.Status}} {{.State.StartedAt}}",
                      *sorted(listed.split())) if listed.strip() else ""  # fmt: skip

    def journal(self):
        path = self.folder / "journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def docker(*arguments):
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def git(folder, *arguments):
    identity = ["-c", "user.name=Tests", "-c", "user.email=tests@localhost"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def make_project(folder, *, bake_time="1s"):
    """The repository's own sample and deploy tree as a project of another name."""
    name = f"t{uuid.uuid4().hex[:8]}"
    root = folder / "project"
    root.mkdir(parents=True)
    skip = shutil.ignore_patterns("__pycache__", "*.pem", ".pytest_cache", "*.egg-info")
    shutil.copytree(ROOT / "sample", root / "sample", ignore=skip)
    # With the lock: it stays while its input is the same, and nothing is asked of an index.
    for part in ("docker", "security", "monitoring", "generated"):
        shutil.copytree(ROOT / "deploy" / part, root / "deploy" / part, ignore=skip)
    for file in ("tasks.py", ".gitignore"):
        shutil.copy(ROOT / file, root / file)
    http, https, prometheus = free_ports(3)
    config = (ROOT / "towline.yaml").read_text()
    config = config.replace("project: newsroom", f"project: {name}")
    config = config.replace("https://localhost:8443", f"https://127.0.0.1:{https}")
    config += f"rollout:\n  bake_time: {bake_time}\n  health_timeout: 20s\n  drain: 5s\n"
    (root / "towline.yaml").write_text(config)
    git(root, "init", "-q")
    project = Project(root, name, http, https, folder / "state")
    compose = root / "deploy/docker/docker-compose.prod.yml"
    # Images of several test projects side by side must not take each other's names.
    compose.write_text(compose.read_text().replace("newsroom-api:", f"{name}-api:"))
    project.inv("init.secrets").ok()
    project.inv("init.certificate").ok()
    if LAB.exists():
        with project.env_file.open("a") as file:
            file.write(LAB.read_text())
    project.set(HTTP_PORT=http, HTTPS_PORT=https, PROMETHEUS_PORT=prometheus)
    project.commit("feat: the sample")
    return project


def remove(project):
    """Take away all that a test project left on the engine."""
    if project.inv("down", "--yes", "--volumes").code:
        # A test that failed may have left a deploy at work.
        label = f"label=towline.project={project.name}"
        for kind in ("container", "network", "volume"):
            everything = ["--all"] if kind == "container" else []
            found = docker(kind, "ls", "--quiet", *everything, "--filter", label).split()
            if found:
                docker(kind, "rm", "--force", *found)
    mine = docker("images", "-q", f"{project.name}-api").split()
    if mine:
        subprocess.run(["docker", "rmi", "-f", *mine], capture_output=True, check=False)


def require_engine():
    """Without an engine these tests cannot run; in CI that is a failure."""
    answer = subprocess.run(["docker", "info"], capture_output=True, check=False)
    if answer.returncode:
        message = "no Docker engine answers; scripts/engine starts one"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
