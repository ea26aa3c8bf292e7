"""Kinto with PostgreSQL and Redis lives with Towline: its tests run in order."""

import socket
import ssl

import pytest
from real_app import App

from projects import remove

BACKING = ("postgres", "redis", "nginx")
RECORD = "/v1/buckets/default/collections/notes/records/first"


@pytest.fixture(scope="module")
def kinto(tmp_path_factory):
    made = App.copy("kinto", tmp_path_factory.mktemp("kinto"))
    secrets = {"DB_PASSWORD": "w0rd-of-the-db", "HMAC_SECRET": "h" * 40, "BUCKET_SECRET": "b" * 40}
    made.variables(**secrets, HTTPS_PORT=made.https)
    made.inv("init.certificate").ok()
    yield made
    remove(made)


def served_certificate(kinto):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", kinto.https), timeout=5) as raw,
        context.wrap_socket(raw) as secure,
    ):
        return secure.getpeercert(binary_form=True)


def note(kinto):
    return kinto.call(RECORD)["data"]["text"]


def test_the_first_deploy_serves_and_stores(kinto):
    kinto.release("1.0.0")
    kinto.inv("deploy").ok()
    kinto.call("/v1/accounts/alice", {"data": {"password": "s3cret-of-alice"}})
    kinto.login = "alice:s3cret-of-alice"
    kinto.call(RECORD, {"data": {"text": "kept"}})
    assert note(kinto) == "kept"
    assert kinto.inv("status", "--json").ok().json["release"] == "1.0.0"


def test_a_change_loses_nothing(kinto):
    kinto.edit("source/kinto.ini", "project_name = notes", "project_name = notebook")
    kinto.release("1.1.0")
    with kinto.unharmed("/v1/", *BACKING):
        kinto.inv("deploy").ok()
    assert kinto.call("/v1/")["project_name"] == "notebook"
    assert note(kinto) == "kept"


def test_a_rotated_secret_is_a_release_of_its_own(kinto):
    kinto.set(HMAC_SECRET="i" * 40)
    with kinto.unharmed("/v1/", *BACKING):
        said = kinto.inv("deploy").ok()
    assert "1.1.0+r2 is live" in said.out
    assert "i" * 40 not in said.text


def test_a_renewed_certificate_is_a_reload_and_nothing_else(kinto):
    before = served_certificate(kinto)
    for file in (kinto.root / "deploy/security/ssl").glob("*.pem"):
        file.unlink()
    kinto.inv("init.certificate").ok()
    with kinto.unharmed("/v1/", "api", *BACKING):
        kinto.inv("deploy").ok()
    assert served_certificate(kinto) != before
    assert "nothing to do" in kinto.inv("deploy").ok().out


def test_a_failed_migration_changes_nothing_and_keeps_its_log(kinto):
    compose = "deploy/docker/docker-compose.prod.yml"
    kinto.edit(compose, "migrate, --ini, /app/kinto.ini", "migrate, --ini, /app/missing.ini")
    kinto.release("1.2.0")
    with kinto.unharmed("/v1/", "api", *BACKING):
        said = kinto.inv("deploy")
    assert said.code == 4, said.text
    log = kinto.folder / "releases/1.2.0/logs/migrate.log"
    assert str(log) in said.err
    assert "missing.ini" in log.read_text()
    kinto.edit(compose, "/app/missing.ini", "/app/kinto.ini")


def test_what_restarts_is_said_before_and_keeps_its_data(kinto):
    compose = "deploy/docker/docker-compose.prod.yml"
    kinto.edit(compose, "stop_grace_period: 30s", "stop_grace_period: 40s")
    kinto.release("1.3.0")
    plan = kinto.inv("deploy.plan").ok()
    assert "postgres" in plan.out
    assert "stop_grace_period" in plan.out
    kinto.inv("deploy").ok()
    assert note(kinto) == "kept"


def test_a_rollback_asks_where_nothing_tells_the_schema(kinto):
    refused = kinto.inv("rollback", "--auto-approve")
    assert refused.code == 2, refused.text
    assert "--keep-schema" in refused.err
    kinto.inv("rollback", "--auto-approve", "--keep-schema").ok()
    assert note(kinto) == "kept"
