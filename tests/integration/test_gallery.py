"""A Django project behind SSH: uploads, a file secret, a worker, migrations in two apps."""

import hashlib
import time
import urllib.request

import pytest
from real_app import App

from loadgen import wait_until
from projects import docker, remove
from toy import a_lab

PICTURE = bytes(range(256)) * 40
DIGEST = hashlib.sha256(PICTURE).hexdigest()
BACKING = ("db", "nginx")
COMPOSE = "deploy/docker/docker-compose.prod.yml"


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    with a_lab(folder, hosts=1) as lab:
        made = App.copy("gallery", folder, SSH_CONFIG=str(lab.ssh_config))
        made.host, made.address = lab.hosts[0].container, url(lab)
        made.variables(DB_PASSWORD="w0rd-of-the-database")
        write_key(made, "first-key-of-django")
        yield made
        remove(made)


def url(lab):
    return f"http://127.0.0.1:{lab.hosts[0].ports[8080]}"


def write_key(gallery, key):
    file = gallery.root / "deploy/security/secrets/django_key"
    file.write_text(key)
    file.chmod(0o600)


def key_in_force(gallery):
    return gallery.call("/key")["key"]


def upload(gallery, name):
    gallery.call(f"/photos/{name}", PICTURE)
    # By the worker, from the volume that both mount.
    wait_until(lambda: gallery.call(f"/photos/{name}")["digest"] == DIGEST, "no digest")


def state(gallery, path):
    """Mode, owner and content of a file in the state folder of the host."""
    said = docker("exec", gallery.host, "sh", "-c", f"cd /var/lib/towline/{gallery.name}/local && "
                  f"stat -c '%a %u' {path} && cat {path}")  # fmt: skip
    return said.split(maxsplit=2)


def test_the_first_deploy_takes_uploads_and_its_worker_sees_them(gallery):
    gallery.release("1.0.0")
    gallery.inv("deploy").ok()
    upload(gallery, "one")
    assert key_in_force(gallery) == hashlib.sha256(b"first-key-of-django").hexdigest()


def test_a_change_with_migrations_in_two_apps_loses_nothing(gallery):
    for app, model in (("photos", "photo"), ("chores", "chore")):
        (gallery.root / f"source/{app}/migrations/0002_note.py").write_text(
            "from django.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n"
            f'    dependencies = [("{app}", "0001_initial")]\n'
            f'    operations = [migrations.AddField("{model}", "note", '
            "models.TextField(null=True))]\n"
        )
    gallery.release("1.1.0")
    with gallery.unharmed("/health", *BACKING):
        gallery.inv("deploy").ok()
    upload(gallery, "two")


def test_a_rollback_over_the_schema_asks_and_names_both_migrations(gallery):
    refused = gallery.inv("rollback", "--auto-approve")
    assert refused.code == 2, refused.text
    for app in ("photos", "chores"):
        assert f"app/{app}/migrations/0002_note.py" in refused.err
    with gallery.unharmed("/health", *BACKING):
        gallery.inv("rollback", "--auto-approve", "--keep-schema").ok()
    assert gallery.call("/health")["release"] == "1.0.0"
    upload(gallery, "three")
    gallery.inv("hold.lift").ok()
    gallery.inv("deploy").ok()


def test_a_rotated_file_secret_reaches_the_app_and_goes_back_with_it(gallery):
    write_key(gallery, "second-key-of-django")
    with gallery.unharmed("/health", *BACKING):
        said = gallery.inv("deploy").ok()
    assert "second-key" not in said.text
    assert key_in_force(gallery) == hashlib.sha256(b"second-key-of-django").hexdigest()
    gallery.inv("rollback", "--auto-approve").ok()
    assert key_in_force(gallery) == hashlib.sha256(b"first-key-of-django").hexdigest()
    gallery.inv("hold.lift").ok()
    gallery.inv("deploy").ok()
    assert key_in_force(gallery) == hashlib.sha256(b"second-key-of-django").hexdigest()


def test_a_job_beyond_its_limit_is_stopped_and_users_notice_nothing(gallery):
    command = "[python3, manage.py, migrate, --no-input]"
    gallery.edit(COMPOSE, command, "[sleep, '600']")
    gallery.edit(COMPOSE, "timeout: 60s", "timeout: 2s")
    gallery.release("1.2.0")
    with gallery.unharmed("/health", "web", "worker", *BACKING):
        said = gallery.inv("deploy")
    assert said.code == 4, said.text
    assert "did not end within 2.0 s, and was stopped" in said.err
    gallery.edit(COMPOSE, "[sleep, '600']", command)
    gallery.edit(COMPOSE, "timeout: 2s", "timeout: 60s")
    gallery.release("1.3.0")
    gallery.inv("deploy").ok()


def test_images_that_were_pruned_come_back_for_a_rollback(gallery):
    gallery.docker("system", "prune", "--all", "--force")
    assert "image missing" in gallery.inv("rollback", "--list-versions").ok().out
    with gallery.unharmed("/health", *BACKING):
        gallery.inv("rollback", "--auto-approve").ok()
        gallery.inv("hold.lift").ok()
        gallery.inv("deploy").ok()


def test_after_a_reboot_of_the_host_everything_is_as_it_was(gallery):
    before = gallery.running("web", "worker", *BACKING)
    docker("restart", "--time", "20", gallery.host)

    def answers():
        try:
            with urllib.request.urlopen(f"{gallery.url}/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    wait_until(answers, "nothing answers after the reboot", limit=60)
    time.sleep(2)
    assert gallery.running("web", "worker", *BACKING) == before
    assert gallery.inv("status", "--json").ok().json["release"] == "1.3.0"
    assert gallery.call("/photos/one")["digest"] == DIGEST
    upload(gallery, "four")
    gallery.inv("rollback", "--auto-approve").ok()
    assert gallery.call("/photos/four")["digest"] == DIGEST
