"""Which tool a new project changes its schema with, and where its migrations lie."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

_SKIPPED = {"node_modules", "venv", "env", "site-packages", "vendor", "build", "dist", "deploy"}
_MOST_FILES = 20_000


@dataclass(frozen=True)
class MigrationTool:
    """A tool that changes schemas.

    Attributes:
        name: Its name.
        files: What the paths of its migrations end with: folders and a name, as a shell's pattern.
        marker: What each of them says, where the path alone does not tell.
        needs: A file at the top of the source tree without which it is another tool.
        command: What applies the migrations, for the job of the Compose file.
    """

    name: str
    files: str
    marker: str = ""
    needs: str = ""
    command: str = ""


# The first that fits a file owns it.
_TOOLS = (
    MigrationTool(
        "Django", "migrations/[0-9]*.py", needs="manage.py",
        command="python3 manage.py migrate --noinput",
    ),
    MigrationTool("Alembic", "alembic/versions/*.py", command="alembic upgrade head"),
    MigrationTool("Alembic", "migrations/versions/*.py", command="alembic upgrade head"),
    MigrationTool(
        "Alembic", "versions/*.py", needs="alembic.ini", marker="down_revision",
        command="alembic upgrade head",
    ),
    MigrationTool("Rails", "db/migrate/*.rb", command="bin/rails db:migrate"),
    MigrationTool(
        "Prisma", "prisma/migrations/*/migration.sql", command="npx prisma migrate deploy"
    ),
    MigrationTool(
        "Laravel", "database/migrations/*.php", command="php artisan migrate --force"
    ),
    MigrationTool("goose", "*/*.sql", marker="-- +goose Up", command="goose up"),
    MigrationTool("dbmate", "*/*.sql", marker="-- migrate:up", command="dbmate up"),
    MigrationTool("Flyway", "V[0-9]*__*.sql", command="flyway migrate"),
    MigrationTool(
        "Knex", "migrations/*.[jt]s", needs="knexfile.*", command="npx knex migrate:latest"
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Migrations:
    """The migrations of a project.

    Attributes:
        tool: What applies them.
        globs: Patterns, in gitignore syntax, that match them wherever the tree is copied to.
        files: Their paths in the source tree.
    """

    tool: MigrationTool
    globs: tuple[str, ...]
    files: tuple[str, ...]


def detect_migrations(source: Path) -> list[Migrations]:
    """The tools whose migrations lie in a source tree; reads files, runs nothing."""
    tools = [tool for tool in _TOOLS if not tool.needs or any(source.glob(tool.needs))]
    found: dict[str, list[tuple[MigrationTool, str]]] = {}
    for path in _files(source):
        for tool in tools:
            if _fits(tool, source, path):
                found.setdefault(tool.name, []).append((tool, path))
                break
    return [
        Migrations(
            items[0][0],
            tuple(dict.fromkeys(_glob(tool, path) for tool, path in items)),
            tuple(path for _, path in items),
        )
        for items in found.values()
    ]


def _fits(tool: MigrationTool, source: Path, path: str) -> bool:
    parts = PurePosixPath(path).parts
    wanted = tool.files.split("/")
    if len(parts) < len(wanted) or path.endswith("__init__.py"):
        return False
    ends = zip(parts[-len(wanted) :], wanted, strict=True)
    if not all(fnmatch(part, pattern) for part, pattern in ends):
        return False
    return not tool.marker or tool.marker in _beginning(source / path)


def _glob(tool: MigrationTool, path: str) -> str:
    """A pattern for the migrations beside this one; the folder that a marker found is named."""
    if tool.files.startswith("*/"):
        return f"**/{PurePosixPath(path).parent.name}/{tool.files.removeprefix('*/')}"
    return f"**/{tool.files}"


def _files(source: Path) -> Iterator[str]:
    """Paths of the files in a tree, sorted; what is installed or built is left out."""
    seen = 0
    folders: list[Path] = [source]
    while folders:
        entries = _sorted(folders.pop(0))
        for entry in entries:
            if entry.is_symlink() or entry.name.startswith("."):
                continue
            if entry.is_dir():
                if entry.name not in _SKIPPED and not (entry / "pyvenv.cfg").exists():
                    folders.append(entry)
                continue
            seen += 1
            if seen > _MOST_FILES:
                return
            yield entry.relative_to(source).as_posix()


def _sorted(folder: Path) -> Sequence[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return ()


def _beginning(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as text:
            return re.sub(r"[ \t]+", " ", text.read(20_000))
    except OSError:
        return ""
