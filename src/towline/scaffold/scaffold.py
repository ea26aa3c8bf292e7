"""What `inv init` writes: a `towline.yaml`, a `tasks.py` and a deploy tree for a new project.

Nothing that exists is overwritten unless that is asked for, and a `towline.yaml` that exists
means that the project is set up: then nothing at all is added. It is written last, so an
interrupted `inv init` is completed by the next one.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from towline.config.loading import FILE
from towline.config.schema import FOLDER, SETTINGS_FILE
from towline.errors import UsageError
from towline.scaffold.adoption import Adopted, adopt, command_port
from towline.scaffold.detection import Detected, detect
from towline.templates import render

DEFAULT_PORT = 8000
DEFAULT_HTTPS_PORT = 8443
_HTTP_PORT, _HTTPS = 8080, 443
# What the Dockerfile installs where the project's requirements name no server.
SERVERS = {"gunicorn": "gunicorn==27.0.1", "uvicorn": "uvicorn==0.54.0"}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_URL_PATH = re.compile(r"/[A-Za-z0-9._~/%-]*")

# Path in the project -> template; `towline.yaml` comes last.
_TEMPLATES = {
    "deploy/docker/docker-compose.prod.yml": "deploy/docker/docker-compose.prod.yml",
    "deploy/docker/Dockerfile": "deploy/docker/Dockerfile",
    "deploy/docker/Dockerfile.dockerignore": "deploy/docker/Dockerfile.dockerignore",
    "deploy/docker/.env.prod.example": "deploy/docker/env.prod.example",
    "deploy/security/nginx/nginx.conf": "deploy/security/nginx/nginx.conf",
    "deploy/security/ssl/.gitkeep": "",
    "deploy/security/secrets/.gitkeep": "",
    "deploy/monitoring/prometheus/prometheus.yml": "deploy/monitoring/prometheus/prometheus.yml",
    "deploy/docs/DEPLOYMENT.md": "deploy/docs/DEPLOYMENT.md",
    "tasks.py": "tasks.py",
    FILE: "towline.yaml",
}

# A `!` line must stand after the line that it makes an exception to, so a group is completed
# from its first missing line on.
_IGNORED = (
    (".env", ".env.*", "!.env.example", "!.env.prod.example"),
    ("/deploy/security/ssl/*", "!/deploy/security/ssl/.gitkeep"),
    ("/deploy/security/secrets/*", "!/deploy/security/secrets/.gitkeep"),
)


class State(StrEnum):
    """What there is at a path before the scaffold is written."""

    NEW = "new"
    SAME = "same"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file of the scaffold.

    Attributes:
        path: Path in the project.
        text: What it holds.
        state: What there is now.
        yours: Kept even when overwriting is asked for.
    """

    path: PurePosixPath
    text: str
    state: State
    yours: bool = False

    def is_written(self, *, force: bool) -> bool:
        """Whether `write_scaffold` writes the file."""
        return self.state is State.NEW or (force and self.state is State.DIFFERS and not self.yours)

    @property
    def is_outdated(self) -> bool:
        """Whether it is the schema that another version of Towline wrote for editors."""
        return str(self.path) == SETTINGS_FILE and self.state is State.DIFFERS


@dataclass(frozen=True)
class Scaffold:
    """The files of a new project, and what stands in their place now.

    Attributes:
        target: Root folder of the project.
        name: Name of the project.
        files: All files, in the order in which they are written.
        ignored: Lines that `.gitignore` lacks.
        configured: There is a `towline.yaml` already, so nothing is added without force.
        notes: What is left to a person.
    """

    target: Path
    name: str
    files: tuple[PlannedFile, ...]
    ignored: tuple[str, ...]
    configured: bool
    notes: tuple[str, ...] = ()

    def written(self, *, force: bool = False) -> list[PlannedFile]:
        """The files that `write_scaffold` writes."""
        if self.configured and not force:
            return [file for file in self.files if file.is_outdated]
        return [file for file in self.files if file.is_written(force=force)]

    def kept(self, *, force: bool = False) -> list[PlannedFile]:
        """The files that exist and stay as they are."""
        written = self.written(force=force)
        return [file for file in self.files if file.state is not State.NEW and file not in written]

    def lines(self, *, force: bool = False) -> Iterator[str]:
        """For people: each file and what becomes of it, then what is left to do."""
        if self.configured and not force:
            for file in self.written():
                yield f"{'renew':9} {file.path}"
            rest = "all else" if self.written() else "everything"
            yield f"{FILE} exists: {self.name} is set up; {rest} is kept"
            yield "--force writes the standard files over what is there"
            return
        for file in self.written(force=force):
            yield f"{'write' if file.state is State.NEW else 'overwrite':9} {file.path}"
        for file in self.kept(force=force):
            same = file.state is State.SAME
            yield f"{'keep':9} {file.path} ({'the same' if same else 'exists'})"
        if self.ignored:
            yield f"{'add to':9} .gitignore: {', '.join(self.ignored)}"
        yield from self.notes
        yield "next: inv init.secrets, inv init.certificate, git commit, inv promote, inv deploy"


def plan_scaffold(
    target: Path,
    *,
    name: str = "",
    source: str = "",
    service: str = "",
    port: int = 0,
    https_port: int = DEFAULT_HTTPS_PORT,
    health: str = "",
    package: str = "",
    conventional: bool = False,
    ignores: Callable[[Path], bool] = lambda _: False,
) -> Scaffold:
    """Decide what a new project needs; reads only.

    Args:
        target: Root folder of the project.
        name: Name of the project; the folder's name by default.
        source: Source tree, relative to `target`; the root itself by default.
        service: Name of the app service; by default as in a Compose file that is there, or `app`.
        port: Port the app listens on in its container; 0 for what was found, or 8000.
        https_port: Port that users reach it on, on the host; written wherever one is named.
        health: Path that the app answers with 200 when it is well; detected by default.
        package: Python package that holds the application, when there are several.
        conventional: Whether the team writes conventional commit messages.
        ignores: Whether version control leaves a path alone.

    Raises:
        UsageError: When an argument or a folder is not usable.
    """
    if not target.is_dir():
        raise UsageError(f"{target} is not a folder", remedy="run `towline init` in your project")
    source_tree = _source_tree(target, source)
    found = detect(source_tree, package, ignores)
    own = adopt(source_tree)
    health_path = health or found.health or "/"
    given_name = service or (own.service if _NAME.fullmatch(own.service) else "") or "app"
    values = {
        "name": _project_name(target, name),
        "conventional": conventional,
        "service": _matching(
            _NAME, given_name, "the service name", "lower-case letters and digits"
        ),
        "port": _port(port or own.port or DEFAULT_PORT),
        "https_port": _https_port(https_port),
        # What stands behind a host's name in an address.
        "https": "" if https_port == _HTTPS else f":{https_port}",
        "health": _matching(_URL_PATH, health_path, "--health", "such as /health"),
    }
    source = source_tree.relative_to(target.resolve()).as_posix()
    files = _files(target, values, source, found, own)
    return Scaffold(
        target=target,
        name=str(values["name"]),
        files=files,
        ignored=_missing_ignores(target),
        configured=(target / FILE).exists(),
        notes=(
            *own.notes(),
            *_detected(found, asked_health=health),
            *_notes(target, files, found, own),
        ),
    )


def write_scaffold(scaffold: Scaffold, *, force: bool = False) -> list[Path]:
    """Write a scaffold; what exists is kept unless `force` is set, `tasks.py` even then.

    Of a project that is set up only the schema for editors is brought up to date.

    Returns:
        The paths that were written.

    Raises:
        UsageError: When a file or folder cannot be written.
    """
    written = []
    try:
        # Before anything else: there is no moment at which a secret could be committed.
        if scaffold.ignored and (force or not scaffold.configured):
            written.append(_append_ignores(scaffold))
        for file in scaffold.written(force=force):
            path = scaffold.target / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text, encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise UsageError(
            f"{error.filename} cannot be written: {error.strerror}",
            remedy="fix that and run `towline init` again: it adds what is missing",
        ) from None
    return written


def _files(
    target: Path, values: dict[str, object], source: str, found: Detected, own: Adopted
) -> tuple[PlannedFile, ...]:
    port = int(str(values["port"]))
    command = _start_command(found, own, port)
    given = {
        **values,
        "identifier": str(values["name"]).replace("-", "_"),
        # As `towline.routing.nginx.variable` names it; a test holds the two together.
        "variable": "towline_" + str(values["service"]).replace("-", "_"),
        "source": source,
        "copies": dict(found.copies) or {"src": "src"},
        "version_files": list(found.version_files),
        "requirements": found.requirements,
        "beside": _beside(found),
        "server": SERVERS.get(found.server, found.server),
        "python": own.base or "python:3.11-slim",
        "env": own.env,
        "command": command,
        "migrations": [pattern for item in found.migrations for pattern in item.globs],
        "migrate": _migrate_command(found),
        "schema": SETTINGS_FILE,
    }
    *others, settings = (
        _planned(target, path, render(template, **given) if template else "")
        for path, template in _TEMPLATES.items()
    )
    schema = (FOLDER / SETTINGS_FILE).read_text("utf-8")
    return (*others, _planned(target, SETTINGS_FILE, schema), settings)


def _start_command(found: Detected, own: Adopted, port: int) -> list[str]:
    """The project's own command, on the port that is wanted, or the framework's."""
    theirs = command_port(own.command)
    if theirs in (0, port):
        return [*own.command] or found.command(port)
    words = [re.sub(rf"(^|[:=]){theirs}$", rf"\g<1>{port}", word) for word in own.command]
    return words if command_port(words) == port else found.command(port)


def _migrate_command(found: Detected) -> list[str]:
    command = next((item.tool.command for item in found.migrations if item.tool.command), "")
    return (command or "alembic upgrade head").split()


def _beside(found: Detected) -> list[str]:
    """What the image gets besides `src/`, where that is a folder of the project's own."""
    if found.copies.get("src") != "src":
        return []
    return [name for name in found.copies if name not in ("src", found.requirements)]


def _detected(found: Detected, *, asked_health: str) -> Iterator[str]:
    """What was guessed, so that somebody can object."""
    if not found.health and not asked_health:
        yield "no health path was found: / is asked; `health` in the Compose file says so"
    if found.health and not asked_health:
        yield (
            f"health path {found.health}: a guess, from {found.health_at}; --health says another, "
            "or `health` in the Compose file"
        )
    for item in found.migrations:
        yield (
            f"{item.tool.name} migrations: promote.migrations tells the schema by "
            f"{', '.join(item.globs)}; the job `migrate` in docker-compose.prod.yml is ready to be "
            "uncommented"
        )
    if found.server and found.copies:
        lists = f": {found.requirements} does not list it" if found.requirements else ""
        yield f"{SERVERS.get(found.server, found.server)} is installed by the Dockerfile{lists}"
    if found.left:
        yield (
            f"not copied: {', '.join(found.left)}; name under `promote.copy` in {FILE} what the "
            "service reads"
        )


def _planned(target: Path, path: str, text: str) -> PlannedFile:
    file = target / path
    yours = path == "tasks.py"
    if not file.exists() and not file.is_symlink():
        # Invoke prefers tasks.py: a new one would hide a package of the project's own tasks.
        hides = yours and (target / "tasks" / "__init__.py").exists()
        return PlannedFile(PurePosixPath(path), text, State.DIFFERS if hides else State.NEW, yours)
    if file.is_dir():
        raise UsageError(f"{file} is a folder, and `inv init` writes a file there")
    try:
        same = file.read_bytes() == text.encode()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    return PlannedFile(PurePosixPath(path), text, State.SAME if same else State.DIFFERS, yours)


def _notes(
    target: Path, files: tuple[PlannedFile, ...], found: Detected, own: Adopted
) -> Iterator[str]:
    tasks = next(file for file in files if str(file.path) == "tasks.py")
    if tasks.state is State.DIFFERS and "towline.tasks" not in _own_tasks(target):
        yield "your own tasks are kept: add `from towline.tasks import ns as towline` to them,"
        yield "and put that collection into yours with `ns.add_collection(towline, 'towline')`"
    if not found.copies:
        yield f"no code was found: name what to promote under `promote.copy` in {FILE}"
    if not found.requirements:
        yield "no requirements.txt was found: see the TODO in deploy/docker/Dockerfile"
    if not own.command and not found.command(0):
        yield "the start command is not known: write it at the end of deploy/docker/Dockerfile"


def _own_tasks(target: Path) -> str:
    for path in (target / "tasks.py", target / "tasks" / "__init__.py"):
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
    return ""


def _project_name(target: Path, name: str) -> str:
    guessed = re.sub(r"[^a-z0-9]+", "-", (name or target.resolve().name).lower()).strip("-")
    if name and not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a project name: lower-case letters, digits, `-` and `_`",
            remedy=f"for example --name {guessed or 'my-service'}",
        )
    return name or guessed or "my-service"


def _source_tree(target: Path, source: str) -> Path:
    tree = (target / (source or ".")).resolve()
    if not tree.is_dir() or not tree.is_relative_to(target.resolve()):
        raise UsageError(
            f"--source {source}: there is no such folder in {target}",
            remedy="name the folder that holds the code, relative to the project",
        )
    return tree


def _matching(pattern: re.Pattern[str], text: str, what: str, hint: str) -> str:
    if not pattern.fullmatch(text):
        raise UsageError(f"{what}: {text!r} cannot be used", remedy=f"write {hint}")
    return text


def _port(port: int) -> int:
    if not 1024 <= port <= 65535:
        raise UsageError(
            f"--port {port}: the app runs without root and listens between 1024 and 65535",
            remedy="for example --port 8000",
        )
    return port


def _https_port(port: int) -> int:
    if not 0 < port <= 65535 or port == _HTTP_PORT:
        taken = "plain HTTP has it" if port == _HTTP_PORT else "there is no such port"
        raise UsageError(
            f"--https-port {port}: {taken}", remedy=f"for example --https-port {DEFAULT_HTTPS_PORT}"
        )
    return port


def _missing_ignores(target: Path) -> tuple[str, ...]:
    file = target / ".gitignore"
    try:
        text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    present = {line.strip() for line in text.splitlines()}
    missing: list[str] = []
    for group in _IGNORED:
        first = next((at for at, line in enumerate(group) if line not in present), len(group))
        missing += group[first:]
    return tuple(missing)


def _append_ignores(scaffold: Scaffold) -> Path:
    path = scaffold.target / ".gitignore"
    with path.open("ab+") as file:
        file.seek(0)
        before = file.read()
        file.write(b"\n" if before and not before.endswith(b"\n") else b"")
        file.write(("\n".join(scaffold.ignored) + "\n").encode())
    return path
