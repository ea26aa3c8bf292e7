"""Planted secrets appear nowhere: not in arguments, logs, journal, plans, images or records."""

import base64
import json
import subprocess
import tarfile
from urllib.parse import quote

import pytest

from projects import docker, make_project, remove
from watch import Watch

PLANTED = {
    "NEWSROOM_SECRET_KEY": "pl4nted-k3y/with+specials=!",
    "POSTGRES_PASSWORD": "pl4nted-pg-9f8e7d6c",
    "REDIS_PASSWORD": "pl4nted-redis-1a2b3c4d",
}


def forms(secret):
    raw = secret.encode()
    yield secret
    yield quote(secret, safe="")
    yield base64.b64encode(raw).decode().rstrip("=")


NEEDLES = [form for secret in PLANTED.values() for form in forms(secret)]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    project = make_project(tmp_path_factory.mktemp("secrets"))
    project.set(
        NEWSROOM_SECRET_KEY=f"'{PLANTED['NEWSROOM_SECRET_KEY']}'",
        POSTGRES_PASSWORD=PLANTED["POSTGRES_PASSWORD"],
        REDIS_PASSWORD=PLANTED["REDIS_PASSWORD"],
        DATABASE_URL="postgresql+psycopg://newsroom:"
        f"{PLANTED['POSTGRES_PASSWORD']}@postgres:5432/newsroom",
        REDIS_URL=f"redis://:{PLANTED['REDIS_PASSWORD']}@redis:6379/0",
    )
    # An application that prints its secrets, as they do.
    app = project.root / "sample/src/newsroom/app.py"
    app.write_text(
        app.read_text().replace(
            "    settings = Settings.from_environment()\n",
            "    settings = Settings.from_environment()\n"
            "    import os\n"
            "    for name in ('NEWSROOM_SECRET_KEY', 'DATABASE_URL', 'REDIS_URL'):\n"
            "        log.warning('%s is %s', name, os.environ[name])\n",
        )
    )
    said = []
    watch = Watch()
    watch.start()
    project.promote("1.0.0")
    commands = ("deploy.plan",), ("deploy.plan", "--json"), ("deploy",), ("status",)
    said += [project.inv(*command).ok().text for command in commands]
    project.set(NEWSROOM_FAULT="health")
    project.promote("1.1.0")
    failed = project.inv("deploy", "--json")
    assert failed.code == 4
    assert "last lines of" in failed.err
    said.append(failed.text)
    commands = ("logs",), ("history",), ("history", "--json"), ("pre-deploy-check",)
    said += [project.inv(*command).text for command in commands]
    watch.stop()
    yield project, "\n".join(said), watch
    remove(project)


def assert_clean(text, where):
    for needle in NEEDLES:
        assert needle not in text, f"a planted secret is in {where}"


def test_the_secrets_really_are_in_use(deployed):
    project, _, _ = deployed
    name = f"{project.name}-local-blue-fastapi-1"
    environment = docker("inspect", "-f", "{{json .Config.Env}}", name)
    assert PLANTED["NEWSROOM_SECRET_KEY"] in json.loads(environment)[0] or any(
        PLANTED["NEWSROOM_SECRET_KEY"] in item for item in json.loads(environment)
    )


def test_not_in_anything_printed(deployed):
    _, said, _ = deployed
    assert "[redacted]" in said
    assert_clean(said, "the output of a command")


def test_not_in_any_process_argument(deployed):
    _, _, watch = deployed
    assert watch.samples > 100
    assert any("docker compose" in line for line in watch.seen)
    assert_clean("\n".join(watch.seen), "a process's arguments")


def test_not_in_journal_record_or_kept_logs(deployed):
    project, _, _ = deployed
    allowed = {"env", "blue.json", "green.json", "kept.json", ".kept.json"}
    for path in project.folder.rglob("*"):
        if path.is_file() and path.name not in allowed:
            assert_clean(path.read_text("utf-8", "replace"), path)
    logs = list(project.folder.rglob("*.log"))
    assert any("[redacted]" in path.read_text() for path in logs)


def test_files_that_hold_them_are_private(deployed):
    project, _, _ = deployed
    holding = [
        path
        for path in project.folder.rglob("*")
        if path.is_file() and PLANTED["POSTGRES_PASSWORD"] in path.read_text("utf-8", "replace")
    ]
    assert holding
    assert {oct(path.stat().st_mode & 0o777) for path in holding} == {"0o600"}


def test_not_in_any_image_layer(deployed, tmp_path):
    project, _, _ = deployed
    image = f"{project.name}-api:1.0.0"
    assert_clean(docker("history", "--no-trunc", image), "the image's history")
    assert_clean(docker("inspect", image), "the image's configuration")
    saved = tmp_path / "image.tar"
    subprocess.run(["docker", "save", "-o", saved, image], check=True)
    needles = [needle.encode() for needle in NEEDLES]
    layers = 0
    with tarfile.open(saved) as archive:
        # The base image is the same for everybody; what the build added comes last.
        members = [m for m in archive.getmembers() if m.isfile() and m.size < 80_000_000]
        for member in members:
            content = archive.extractfile(member).read()
            layers += 1
            assert not any(needle in content for needle in needles), member.name
    assert layers >= 5
    saved.unlink()
