"""What a project that is new to Towline looks like: its code, its requirements, its framework.

Guesses are made only where one look at the files settles it; the rest stays empty and is left
to a person.
"""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from towline.scaffold.migration_tools import Migrations, detect_migrations

_NOT_CODE = {"tasks", "test", "tests", "docs", "deploy", "build", "dist", "setup", "conftest"}
_NOT_CODE |= {"noxfile", "examples", "scripts"}
# What services commonly read beside their code; copied with it.
_READ = {"templates", "static", "assets", "public", "locale", "locales", "fixtures", "alembic.ini"}
# What no service reads, unless its code names it.
_UNREAD = re.compile(
    r"[._].*|.*\.(md|rst|lock|toml|cfg|ini)|(LICEN[CS]E|COPYING|NOTICE|AUTHORS|Makefile|Justfile)"
    r"|(Dockerfile|docker-compose|compose|requirements|package|conftest|setup|noxfile|tox).*"
    r"|(docs?|tests?|deploy|build|dist|node_modules|venv|env|scripts|examples|tasks)(\.py)?"
    r"|towline\.(yaml|schema\.json)|test_.*|.*\.egg-info",
    re.IGNORECASE,
)
_HEALTH = re.compile(
    r"""["'](/(?:health(?:z|/overall|/live|/ready)?|healthcheck|ping)/?)["']"""
    # Django writes its paths without the first slash.
    r"""|\bpath\(\s*r?["']((?:health(?:z|check)?|ping)/?)["']"""
)
_MOST_FILES = 500


@dataclass(frozen=True)
class Framework:
    """A web framework: how it is recognised and how it is started.

    Attributes:
        name: Distribution name.
        application: What the line that makes the application looks like.
        server: The server's distribution, for projects whose requirements lack it.
        command: Start command; `{app}` is `module:variable`, `{port}` the port.
    """

    name: str
    application: re.Pattern[str]
    server: str
    command: str


def _made_by(name: str) -> re.Pattern[str]:
    return re.compile(rf"^(\w+)(?:\s*:\s*[\w.]+)?\s*=\s*(?:\w+\.)?{name}\(", re.MULTILINE)


_GUNICORN = "gunicorn {app} --bind 0.0.0.0:{port}"
FASTAPI = Framework(
    "fastapi", _made_by("FastAPI"), "uvicorn", "uvicorn {app} --host 0.0.0.0 --port {port}"
)
FLASK = Framework("flask", _made_by("Flask"), "gunicorn", _GUNICORN)
DJANGO = Framework("django", _made_by("get_wsgi_application"), "gunicorn", _GUNICORN)


@dataclass(frozen=True)
class Detected:
    """What was found in a source tree; empty where nothing was.

    Attributes:
        copies: Path in the source tree -> path in the deploy tree.
        requirements: `requirements.txt`, or a `pyproject.toml` that lists dependencies.
        version_files: Files that carry the version.
        framework: The web framework.
        application: `module:variable` of its application.
        server: A server to install because the requirements do not name it.
        health: A path that the code answers and whose name says health.
        health_at: Where the code names it: file and line.
        migrations: The tools whose migrations lie in the source tree.
        left: What lies at the top of the source tree and is not copied, though a service may
            read it.
    """

    copies: Mapping[str, str] = field(default_factory=dict)
    requirements: str = ""
    version_files: tuple[str, ...] = ()
    framework: Framework | None = None
    application: str = ""
    server: str = ""
    health: str = ""
    health_at: str = ""
    migrations: tuple[Migrations, ...] = ()
    left: tuple[str, ...] = ()

    def command(self, port: int) -> list[str]:
        """The start command; empty when nobody can tell."""
        if self.framework is None:
            return []
        return self.framework.command.format(app=self.application, port=port).split()


def detect(
    source: Path, package: str = "", ignores: Callable[[Path], bool] = lambda _: False
) -> Detected:
    """Look at a source tree; reads files, runs nothing.

    Args:
        source: The source tree.
        package: The package that holds the application, when there are several.
        ignores: Whether version control leaves a path alone; such a path cannot be promoted.
    """
    copies = _code(source)
    migrations = tuple(detect_migrations(source))
    beside, left = _beside(source, copies, migrations, ignores)
    health, health_at = _health(source, copies)
    requirements, listed, version_files = _requirements(source)
    framework, application = _application(source, copies, package)
    server = framework.server if framework and not _lists(listed, framework.server) else ""
    return Detected(
        copies={
            **copies,
            **beside,
            **({requirements: requirements} if requirements else {}),
        },
        requirements=requirements,
        version_files=version_files,
        framework=framework,
        application=application,
        server=server,
        health=health,
        health_at=health_at,
        migrations=migrations,
        left=left,
    )


def _code(source: Path) -> dict[str, str]:
    """What holds the code: `src/`, or else the packages and modules that lie at the top."""
    if (source / "src").is_dir():
        return {"src": "src"}
    names = []
    for path in sorted(source.iterdir()) if source.is_dir() else []:
        if path.stem.lower() in _NOT_CODE or path.name.startswith(("test_", ".", "_")):
            continue
        holds_code = path.name.isidentifier() and path.is_dir() and any(path.glob("*.py"))
        if holds_code or (path.suffix == ".py" and path.is_file()):
            names.append(path.name)
    return {name: f"src/{name}" for name in names}


def _beside(
    source: Path,
    copies: Mapping[str, str],
    migrations: Sequence[Migrations],
    ignores: Callable[[Path], bool],
) -> tuple[dict[str, str], tuple[str, ...]]:
    """What is copied beside the code, to where it lies from it, and what is left."""
    tops = {path.partition("/")[0] for found in migrations for path in found.files}
    code = "\n".join(_text(path) for _, path in _modules(source, copies)) if copies else ""
    place = "" if "src" in copies else "src/"
    beside: dict[str, str] = {}
    left = []
    for path in sorted(source.iterdir()) if source.is_dir() else []:
        name = path.name
        if name in copies or not _holds_files(path):
            continue
        read = name in _READ or name in tops or re.search(rf"[\"'/]{re.escape(name)}[\"'/]", code)
        if read and copies and not _is_own(name) and not ignores(path):
            beside[name] = f"{place}{name}"
        elif not _UNREAD.fullmatch(name) and not ignores(path):
            left.append(f"{name}/" if path.is_dir() else name)
    return beside, tuple(left)


def _is_own(name: str) -> bool:
    """Whether a name at the top is Towline's, a person's or a tool's, whatever the code says."""
    return name.startswith(".") or name in {"deploy", "tests", "test", "tasks", "tasks.py", "src"}


def _holds_files(path: Path) -> bool:
    return path.is_file() or any(item.is_file() for item in path.rglob("*"))


def _requirements(source: Path) -> tuple[str, str, tuple[str, ...]]:
    """The file that lists the dependencies, its dependencies as text, and the version files."""
    project = _pyproject(source).get("project")
    project = project if isinstance(project, dict) else {}
    version_files = ("pyproject.toml",) if isinstance(project.get("version"), str) else ()
    requirements = source / "requirements.txt"
    if requirements.is_file():
        return "requirements.txt", _text(requirements), version_files
    if isinstance(project.get("dependencies"), list):
        listed = "\n".join(str(item) for item in project["dependencies"])
        return "pyproject.toml", listed, version_files
    return "", "", version_files


def _pyproject(source: Path) -> dict[str, object]:
    try:
        return tomllib.loads(_text(source / "pyproject.toml"))
    except tomllib.TOMLDecodeError:
        return {}


def _lists(requirements: str, server: str) -> bool:
    """Whether requirements install a server; `fastapi[standard]` brings uvicorn."""
    lines = requirements.lower().splitlines()
    names = {re.split(r"[\s=<>!~;@]", line.strip(), maxsplit=1)[0] for line in lines}
    plain = {name.partition("[")[0] for name in names}
    return server in plain or (server == "uvicorn" and bool(names & {"fastapi[standard]"}))


def _application(
    source: Path, copies: Mapping[str, str], package: str
) -> tuple[Framework | None, str]:
    """The framework and `module:variable`, when exactly one line makes an application."""
    for framework in (FASTAPI, FLASK, DJANGO):
        found = [
            f"{module}:{match[1]}"
            for module, path in _modules(source, copies)
            if not package or module.split(".")[0] == package
            for match in framework.application.finditer(_text(path))
        ]
        # An application in main.py wins over helpers beside it.
        main = [app for app in found if app.split(":")[0].split(".")[-1] in {"main", "app", "wsgi"}]
        for candidates in (found, main):
            if len(candidates) == 1:
                return framework, candidates[0]
    return None, ""


def _health(source: Path, copies: Mapping[str, str]) -> tuple[str, str]:
    """The most general health path that the code mentions, and where."""
    paths: dict[str, tuple[str, str]] = {}
    for _, file in _modules(source, copies):
        text = _text(file)
        for match in _HEALTH.finditer(text):
            path = match[1] or f"/{match[2]}"
            line = text.count("\n", 0, match.start()) + 1
            where = f"{file.relative_to(source).as_posix()}:{line}"
            paths.setdefault(path.rstrip("/"), (path, where))
    order = ["/health/overall", "/health", "/healthz", "/healthcheck", "/health/ready"]
    known = (path for path in (*order, "/health/live", "/ping") if path in paths)
    return paths.get(next(known, ""), ("", ""))


def _modules(source: Path, copies: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    """Python modules of the code: dotted name as seen from `deploy/src`, and file."""
    seen = 0
    for name, place in copies.items():
        root = source / name
        top = Path(place).relative_to("src") if place != "src" else Path()
        files = sorted(root.rglob("*.py")) if root.is_dir() else [root]
        for file in files:
            inside = top / file.relative_to(root) if root.is_dir() else top
            if any(part.startswith(("test", ".")) for part in inside.parts):
                continue
            seen += 1
            if seen > _MOST_FILES:
                return
            parts = inside.with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), file


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
