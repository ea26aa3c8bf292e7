import re
import shutil

import pytest
import yaml

from towline.config.loading import load
from towline.scaffold.adoption import adopt, command_port
from towline.scaffold.migration_tools import detect_migrations
from towline.scaffold.scaffold import plan_scaffold, write_scaffold

DOCKERFILE = """
# syntax=docker/dockerfile:1
ARG VERSION=3.12
FROM python:${VERSION}-slim AS build
RUN apt-get update && apt-get install -y \\
    libpq-dev
COPY requirements.txt .
RUN pip install -r requirements.txt

FROM build
ENV DJANGO_SETTINGS_MODULE=shop.settings
ENV PYTHONUNBUFFERED=1
EXPOSE 9000
CMD ["gunicorn", "shop.wsgi:application", "--workers", "3", "--bind", "0.0.0.0:9000"]
"""
COMPOSE = """
services:
  website:
    build: .
    ports: ["80:9000"]
    volumes: ["./media:/media"]
  celery:
    build: .
    command: celery -A shop worker
  db: { image: "postgres:16" }
"""
DJANGO = {
    "manage.py": "",
    "shop/wsgi.py": "from django.core.wsgi import get_wsgi_application\n"
    "application = get_wsgi_application()\n",
    "shop/migrations/__init__.py": "",
    "shop/migrations/0001_initial.py": "",
    "blog/migrations/0001_initial.py": "",
    "blog/__init__.py": "",
    "requirements.txt": "django==5.1\n",
}


def made(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_projects_own_dockerfile_and_compose_file_are_built_on(tmp_path):
    root = made(tmp_path / "2024", {**DJANGO, "Dockerfile": DOCKERFILE, "compose.yml": COMPOSE})
    plan = plan_scaffold(root)
    write_scaffold(plan)
    assert (root / "Dockerfile").read_text() == DOCKERFILE
    assert (root / "compose.yml").read_text() == COMPOSE
    text = (root / "deploy/docker/Dockerfile").read_text()
    assert "ARG PYTHON_IMAGE=python:3.12-slim\n" in text
    assert "ENV DJANGO_SETTINGS_MODULE=shop.settings\n" in text
    command = '"shop.wsgi:application", "--workers", "3", "--bind", "0.0.0.0:9000"]'
    assert f'CMD ["gunicorn", {command}' in text
    assert re.search(r"requirements.txt gunicorn==\d", text)
    services = yaml.safe_load((root / "deploy/docker/docker-compose.prod.yml").read_text())
    service = services["services"]["website"]
    assert service["x-towline"]["port"] == 9000
    assert service["build"]["args"]["PYTHON_IMAGE"] == "${PYTHON_IMAGE:-python:3.12-slim}"
    said = "\n".join(plan.lines())
    assert "taken from Dockerfile: the image python:3.12-slim, ENV DJANGO_SETTINGS_MODULE" in said
    assert "taken from compose.yml: the service name website, port 9000" in said
    assert "not taken from Dockerfile: `RUN apt-get update && apt-get install -y libpq-dev`" in said
    assert "not taken from compose.yml: service db (postgres:16)" in said
    assert "service celery (built here: celery -A shop worker)" in said


def test_django_migrations_of_every_app_tell_the_schema(tmp_path):
    plan = plan_scaffold(made(tmp_path, DJANGO))
    write_scaffold(plan)
    project = load(tmp_path)
    assert project.settings.promote.migrations == ["**/migrations/[0-9]*.py"]
    assert "Django migrations: promote.migrations tells the schema" in "\n".join(plan.lines())
    compose = (tmp_path / "deploy/docker/docker-compose.prod.yml").read_text()
    assert '#   command: ["python3", "manage.py", "migrate", "--noinput"]' in compose


def test_a_port_that_is_asked_for_replaces_the_one_in_the_command(tmp_path):
    write_scaffold(plan_scaffold(made(tmp_path, {**DJANGO, "Dockerfile": DOCKERFILE}), port=8100))
    assert '"--bind", "0.0.0.0:8100"]' in (tmp_path / "deploy/docker/Dockerfile").read_text()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('ENTRYPOINT ["/entry.sh"]', "ENTRYPOINT"),
        ('CMD ["./start.sh"]', "it runs a script"),
        ("CMD gunicorn shop --bind :$PORT", "a shell has to read it"),
        ('CMD ["gunicorn", "--bind", ":$PORT"]', "it uses variables"),
        ("CMD python manage.py runserver 0.0.0.0:8000", "for development"),
        ('CMD ["gunicorn", "x", "--bind", "127.0.0.1:8000"]', "on loopback only"),
        ("EXPOSE 80", "port 80: the app runs without root"),
    ],
)
def test_what_cannot_be_taken_is_named(tmp_path, line, said):
    found = adopt(made(tmp_path, {"Dockerfile": f"FROM python:3.12\n{line}\n"}))
    assert (found.command, found.port) == ((), 0)
    assert any(said in note for note in found.notes() if note.startswith("not taken"))


@pytest.mark.parametrize("image", ["python:3.12-alpine", "node:20", "${BASE}", "scratch"])
def test_other_images_are_not_taken(tmp_path, image):
    found = adopt(made(tmp_path, {"Dockerfile": f"FROM --platform=linux/amd64 {image}\n"}))
    assert found.base == ""
    assert any(image in note for note in found.notes())


@pytest.mark.parametrize("text", ["services: [", "- x", "services: {web: nginx}", "services: 3"])
def test_a_compose_file_that_cannot_be_read_is_left_alone(tmp_path, text):
    assert adopt(made(tmp_path, {"docker-compose.yml": text})).service == ""


def test_nothing_is_said_where_there_is_nothing(tmp_path):
    assert list(adopt(tmp_path).notes()) == []


@pytest.mark.parametrize(
    ("command", "port"),
    [("x --port 8080", 8080), ("x --bind=[::]:90", 90), ("x -b :8000 -w 4", 8000), ("x -p", 0)],
)
def test_ports_of_commands(command, port):
    assert command_port(command.split()) == port


@pytest.mark.parametrize(
    ("files", "tool", "globs"),
    [
        (("alembic.ini", "alembic/versions/1a.py"), "Alembic", ("**/alembic/versions/*.py",)),
        (("migrations/versions/1a.py",), "Alembic", ("**/migrations/versions/*.py",)),
        (("sql/V1__first.sql", "sql/V1_1__more.sql"), "Flyway", ("**/V[0-9]*__*.sql",)),
        (("db/migrate/2024_x.rb",), "Rails", ("**/db/migrate/*.rb",)),
        (
            ("prisma/migrations/1_x/migration.sql",),
            "Prisma",
            ("**/prisma/migrations/*/migration.sql",),
        ),
        (("database/migrations/2024_x.php",), "Laravel", ("**/database/migrations/*.php",)),
        (("knexfile.js", "migrations/1.js", "migrations/2.ts"), "Knex", ("**/migrations/*.[jt]s",)),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_tools_are_known_by_their_paths(tmp_path, files, tool, globs):
    (found,) = detect_migrations(made(tmp_path, dict.fromkeys(files, "x")))
    assert (found.tool.name, found.globs) == (tool, globs)
    assert matched(globs, files) == {name for name in files if "/" in name}


@pytest.mark.parametrize(
    ("marker", "tool"), [("-- +goose Up", "goose"), ("--  migrate:up", "dbmate")]
)
def test_tools_are_known_by_what_they_write(tmp_path, marker, tool):
    files = {"db/steps/1.sql": f"{marker}\nCREATE TABLE x ();", "other/x.sql": "SELECT 1;"}
    (found,) = detect_migrations(made(tmp_path, files))
    assert (found.tool.name, found.globs) == (tool, ("**/steps/*.sql",))


@pytest.mark.parametrize(
    "path", ["shop/migrations/0001.py", "node_modules/x/db/migrate/1.rb", "venv/V1__x.sql", "a.sql"]
)
def test_other_files_are_no_migrations(tmp_path, path):
    assert detect_migrations(made(tmp_path, {path: "x"})) == []


def matched(globs, files):
    from pathspec import GitIgnoreSpec

    placed = {f"src/{name}": name for name in files}
    return {placed[path] for path in GitIgnoreSpec.from_lines(globs).match_files(placed)}


@pytest.mark.skipif(shutil.which("docker") is None, reason="needs docker compose")
def test_a_folder_with_an_odd_name_makes_a_valid_compose_file(tmp_path):
    from test_scaffold import compose

    root = made(tmp_path / "on", DJANGO)
    write_scaffold(plan_scaffold(root, service="off"))
    assert "off" in compose(root, tmp_path)["services"]
