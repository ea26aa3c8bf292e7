"""Planted secrets appear nowhere: not in arguments, logs, journal, plans, images or records."""

import base64
import json
import re
import subprocess
import tarfile
from urllib.parse import quote

import pytest

from projects import docker, make_project, remove
from toy import APP, release, toy
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
    # The arguments of these are watched too.
    project.forks = False
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


# Values under names, and in places, that do not look secret at first.
HIDDEN = {
    "SLACK_WEBHOOK_URL": "https://hooks.example/services/T0PLANTED/B1/hookpl4nted77",
    "REPOSITORY": "https://ghpl4nted0x9y8@git.example/repo",
    "FEED": "https://feed:pl4nted-feed-pw@feed.example/",
    "JWT": "pl4nted.jwt-1a2b3c",
    "SESSION_COOKIE": "pl4nted-cookie-4d5e6f",
    "DB_PASSWORD2": "pl4nted-db2-77aa",
    "PUBLIC_API_SECRET": "pl4nted-public-88bb",
    "STRIPE_SK": "pl4nted-sk-99cc",
    "BLOB": "https://blob.example/c?sv=2022&sig=pl4ntedSig0a1b2c&se=2030",
    "LEGACY": "pl4nted-declared-00dd",
}
FILE_SECRET = "pl4nted-file-11ee"
TALKATIVE = APP.replace(
    'said = {"version"',
    "if self.path == '/leak':\n"
    "            return self.send_error(500, explain=' '.join(\n"
    "                v for n, v in os.environ.items() if 'pl4nted' in v or 'PLANTED' in v))\n"
    '        said = {"version"',
).replace(
    "server = ",
    "[print(n, 'is', v) for n, v in os.environ.items() if 'pl4nted' in v]\nserver = ",
    1,
)


def hidden():
    for value in HIDDEN.values():
        yield from re.findall(r"\w*(?:pl4nted|PLANTED)[\w.-]*", value)
    yield FILE_SECRET


@pytest.fixture(scope="module")
def leaky(tmp_path_factory):
    """A project that shows secrets wherever something foreign can be shown."""
    project = toy(tmp_path_factory.mktemp("leaky"))
    env = "".join(f"{name}='{value}'\n" for name, value in HIDDEN.items())
    (project.root / ".env").write_text(env)
    (project.root / ".gitignore").write_text(".env\n/deploy/security/secrets/*\n")
    compose = project.root / "deploy/docker/docker-compose.prod.yml"
    reading = "import signal; print(open('/run/secrets/planted').read(), flush=True);"
    text = compose.read_text().replace("import signal;", reading)
    for at, line in (
        ("    x-towline: {role: app", '    env_file: ["${TOWLINE_ENV_FILE:-.env}"]\n'),
        ("    init: true\n", "    secrets: [planted]\n"),
    ):
        text = text.replace(at, f"{line}{at}", 1)
    compose.write_text(f"{text}secrets: {{planted: {{file: ../security/secrets/planted}}}}\n")
    secret = project.root / "deploy/security/secrets/planted"
    secret.parent.mkdir(parents=True)
    secret.write_text(f"{FILE_SECRET}\n")
    secret.chmod(0o600)
    config = project.root / "towline.yaml"
    config.write_text(f"{config.read_text()}secrets: [LEGACY]\n")
    release(project, "1.0.0", TALKATIVE)
    project.inv("deploy").ok()
    yield project
    remove(project)


def assert_hidden(done):
    for needle in hidden():
        assert needle not in done.text, f"{needle} is in the output of {done.argv}"
    return done


def test_what_was_planted_in_odd_places_is_in_no_output(leaky):
    config = leaky.root / "towline.yaml"
    plain = config.read_text()
    config.write_text(f"{plain}smoke: {{requests: [{{path: /leak}}], retries: 0}}\n")
    page = assert_hidden(leaky.inv("smoke"))
    assert page.code == 3
    assert "[redacted]" in page.out
    assert "[redacted]" in assert_hidden(leaky.inv("smoke", "--json")).json["tests"][0]["answer"]
    config.write_text(plain)
    for command in (
        ("logs",), ("logs", "--service", "notes"), ("status", "--json"), ("deploy.plan", "--json"),
        ("history",), ("health-check", "--json"), ("pre-deploy-check", "--verbose"),
    ):  # fmt: skip
        done = assert_hidden(leaky.inv(*command))
        assert ("[redacted]" in done.text) is (command[0] == "logs"), done.text


def test_a_failed_deploy_and_its_record_show_none_of_it(leaky):
    config = leaky.root / "towline.yaml"
    plain = config.read_text()
    config.write_text(f"{plain}smoke: {{requests: [{{path: /leak}}], retries: 0}}\n")
    release(leaky, "1.1.0", TALKATIVE)
    done = assert_hidden(leaky.inv("deploy"))
    assert done.code == 4
    assert "[redacted]" in done.err
    config.write_text(plain)
    assert_hidden(leaky.inv("history"))
    assert_hidden(leaky.inv("rollback", "--list-versions"))
    for path in [leaky.folder / "journal.jsonl", *leaky.folder.rglob("*.log")]:
        for needle in hidden():
            assert needle not in path.read_text("utf-8", "replace"), path


def test_reasons_of_people_show_none_of_it(leaky):
    said = f"because of {HIDDEN['JWT']} and {HIDDEN['REPOSITORY']}"
    for command in (
        ("hold", "--dry-run", "--reason", said), ("hold", "--reason", said), ("status",),
        ("status", "--json"), ("deploy",), ("hold.lift", "--dry-run"), ("hold.lift",),
    ):  # fmt: skip
        if command == ("status",):
            file = (leaky.folder / "hold.json").read_text()
            assert "because of [redacted]" in file
            assert not [needle for needle in hidden() if needle in file]
        done = assert_hidden(leaky.inv(*command))
        # What is live already is not refused; whoever deploys it is not held.
        assert command == ("deploy",) or "because of [redacted]" in done.text, command
    target = ("--version", "1.0.0", "--auto-approve", "--keep-schema", "--reason", said)
    release(leaky, "1.1.1", TALKATIVE)
    assert_hidden(leaky.inv("deploy")).ok()
    assert_hidden(leaky.inv("rollback", *target)).ok()
    for command in (
        ("history", "--json"), ("rollback", "--list-versions", "--json"), ("status", "--json"),
    ):  # fmt: skip
        assert "because of [redacted]" in assert_hidden(leaky.inv(*command)).out, command
    assert_hidden(leaky.inv("hold.lift"))
    for name in ("journal.jsonl", "releases/1.1.1/release.json"):
        text = (leaky.folder / name).read_text()
        assert "because of [redacted]" in text
        assert not [needle for needle in hidden() if needle in text], name


def test_a_rotated_secret_that_still_runs_is_masked_too(leaky):
    env = leaky.root / ".env"
    plain = env.read_text()
    env.write_text(plain.replace(HIDDEN["JWT"], "another-jwt-1"))
    assert "[redacted]" in assert_hidden(leaky.inv("logs")).out
    env.write_text(plain)


def test_what_compose_refuses_is_masked(leaky):
    compose = leaky.root / "deploy/docker/docker-compose.prod.yml"
    plain = compose.read_text()
    compose.write_text(plain.replace("  web:\n", '  web:\n    mem_limit: "${STRIPE_SK}"\n', 1))
    done = assert_hidden(leaky.inv("pre-deploy-check"))
    compose.write_text(plain)
    assert done.code == 3
    assert "[redacted]" in done.text


def test_a_secret_build_argument_is_refused_and_a_build_secret_is_not(leaky):
    compose = leaky.root / "deploy/docker/docker-compose.prod.yml"
    plain = compose.read_text()
    build = "build: {context: .., dockerfile: docker/Dockerfile"
    given = 'args: {NPM_AUTH: "${DB_PASSWORD2}"}'
    compose.write_text(plain.replace(build, f"{build}, {given}"))
    done = assert_hidden(leaky.inv("pre-deploy-check"))
    assert done.code == 3
    assert "web: build argument NPM_AUTH is a secret" in done.out
    compose.write_text(plain.replace(build, f"{build}, secrets: [planted]"))
    file = leaky.root / "deploy/docker/Dockerfile"
    mounted = "RUN --mount=type=secret,id=planted grep -q pl4nted /run/secrets/planted"
    file.write_text(file.read_text().replace("USER 1000", f"{mounted}\nUSER 1000"))
    release(leaky, "1.2.0", TALKATIVE)
    assert_hidden(leaky.inv("build")).ok()
    for needle in hidden():
        assert needle not in docker("history", "--no-trunc", f"{leaky.name}-api:1.2.0")
