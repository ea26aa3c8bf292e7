"""Applications from PyPI that nobody here wrote, as projects of their own on the engine."""

import contextlib
import json
import shutil
import ssl
import urllib.request
import uuid
from base64 import b64encode
from dataclasses import dataclass, field
from pathlib import Path

from loadgen import Load
from projects import LAB, Project, docker, free_ports, git

APPS = Path(__file__).parent / "apps"


@dataclass
class App(Project):
    """One of the folders in `apps/`, copied and named for one test.

    Attributes:
        address: Where its router is reached.
        login: User and password, with a colon between.
        host: The container host it runs on; empty for this machine.
    """

    address: str = ""
    login: str = ""
    host: str = ""
    headers: dict = field(default_factory=dict)

    @classmethod
    def copy(cls, app, folder, **replaced):
        name, (http, https) = f"t{uuid.uuid4().hex[:8]}", free_ports(2)
        root = folder / "project"
        shutil.copytree(APPS / app, root)
        for file in root.rglob("*"):
            if file.is_file():
                text = file.read_text()
                for word, value in {"PROJECT": name, "{PORT}": str(https), **replaced}.items():
                    text = text.replace(word, value)
                file.write_text(text)
        (root / "tasks.py").write_text("from towline.tasks import ns\n")
        ignored = (".env*", "*.pem", "deploy/security/secrets/*", "!.gitkeep")
        (root / ".gitignore").write_text("\n".join(ignored) + "\n")
        git(root, "init", "-q")
        return cls(root, name, http, https, folder / "state", address=f"https://127.0.0.1:{https}")

    @property
    def url(self):
        return self.address

    def variables(self, **given):
        self.env_file.write_text(LAB.read_text() if LAB.exists() else "")
        self.set(**given)

    def edit(self, path, old, new):
        file = self.root / path
        text = file.read_text()
        assert old in text, f"{path} has no {old!r}"
        file.write_text(text.replace(old, new))

    def release(self, version):
        self.commit(f"feat: {version}")
        self.inv("promote", "--version", version).ok()

    def call(self, path, data=None, method=""):
        """Status and JSON (or text) of an answer through the router."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        body = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
        headers = {"Content-Type": "application/json", **self.headers}
        if self.login:
            headers["Authorization"] = f"Basic {b64encode(self.login.encode()).decode()}"
        request = urllib.request.Request(
            self.url + path, body, headers, method=method or ("GET" if data is None else "PUT")
        )
        with urllib.request.urlopen(request, context=context, timeout=20) as answer:
            text = answer.read().decode()
        with contextlib.suppress(ValueError):
            return json.loads(text)
        return text

    def docker(self, *arguments):
        """The engine that it runs on."""
        inside = ("exec", self.host, "docker") if self.host else ()
        return docker(*inside, *arguments)

    def running(self, *services):
        """Service -> ids of its running containers."""
        found = {}
        for service in services:
            label = f"label=towline.project={self.name}"
            listed = self.docker("ps", "-q", "--no-trunc", "--filter", label,
                                 "--filter", f"label=towline.service={service}")  # fmt: skip
            found[service] = sorted(listed.split())
        return found

    @contextlib.contextmanager
    def unharmed(self, path, *untouched):
        """Load through the router while the body runs: none lost, and these services as before."""
        before = self.running(*untouched)
        with Load(self.url + path, steady=3, fresh=3, pause=0.03) as load:
            yield
            tally = load.stop()
        assert tally.lost == []
        assert tally.failed == 0, tally.statuses
        assert tally.answered > 20
        assert self.running(*untouched) == before
