"""Files that containers mount: what services wrote stays, keys and secrets are private."""

import os
import ssl
import stat

import pytest

from loadgen import Load
from projects import docker, free_ports, remove
from toy import CONF, release, toy

TLS = """
  server {
    listen 8443 ssl; location / { proxy_pass http://$towline_web; }
    ssl_certificate /etc/nginx/ssl/fullchain.pem; ssl_certificate_key /etc/nginx/ssl/privkey.pem;
  }
}
"""


@pytest.fixture
def project(tmp_path):
    made = toy(tmp_path)
    yield made
    remove(made)


def test_what_a_service_wrote_below_the_deploy_tree_survives(project):
    """S1 and S10: refused by the check; and where it is there, no deploy deletes or follows it."""
    compose = project.root / "deploy/docker/docker-compose.prod.yml"
    compose.write_text(compose.read_text().replace("../docker/notes:/notes:ro", "../data:/data"))
    seed = project.root / "deploy/data/seed"
    seed.parent.mkdir()
    seed.write_text("one\n")
    release(project, "1.0.0")
    refused = project.inv("deploy")
    assert refused.code == 3
    assert "notes may write to data, which is in the deploy tree" in refused.err
    assert not (project.folder / "live").exists()
    project.inv("deploy", "--skip-check").ok()
    name = f"{project.name}-local-notes-1"
    docker("exec", name, "sh", "-c", "echo row > /data/rows; mkdir /data/wal; echo 1 > /data/wal/1")
    started = docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", name)

    def assert_whole():
        assert docker("exec", name, "cat", "/data/rows", "/data/wal/1") == "row\n1\n"
        assert docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", name) == started

    release(project, "1.1.0")
    project.inv("deploy", "--skip-check").ok()
    assert_whole()
    project.inv("rollback", "--auto-approve").ok()
    assert_whole()
    # The container turns the file that Towline placed into a link to a file of the host.
    precious = project.state / "precious"
    precious.write_text("precious\n")
    docker("exec", name, "sh", "-c", f"rm /data/seed; ln -s {precious} /data/seed")
    seed.write_text("two\n")
    release(project, "1.2.0")
    found = project.inv("pre-deploy-check")
    assert found.code == 3
    assert "/live/data/seed is a symbolic link" in found.text
    project.inv("hold.lift").ok()
    told = project.inv("deploy", "--skip-check").ok()
    assert "/live/data/seed is a symbolic link" in told.err
    assert precious.read_text() == "precious\n"
    assert_whole()


class Keys:
    """The small project with a certificate, a secret of the app, and one of a backing service."""

    def __init__(self, project):
        self.project = project
        (self.https,) = free_ports(1)
        root, http = project.root, project.http
        compose = root / "deploy/docker/docker-compose.prod.yml"
        text = compose.read_text()
        text = text.replace(
            "    x-towline: {role: app", "    secrets: [token]\n    x-towline: {role: app"
        )
        text = text.replace("../docker/notes:/notes:ro", "../security/secrets:/keys:ro")
        text = text.replace(f'"127.0.0.1:{http}:8080"',
                            f'"127.0.0.1:{http}:8080", "127.0.0.1:{self.https}:8443"')  # fmt: skip
        routes = "      - ${TOWLINE_ROUTES}"
        text = text.replace(routes, f"      - ../security/ssl:/etc/nginx/ssl:ro\n{routes}")
        compose.write_text(text + "secrets: {token: {file: ../security/secrets/token}}\n")
        conf = root / "deploy/security/nginx/nginx.conf"
        conf.write_text(CONF.rstrip().removesuffix("}") + TLS)
        self.secrets, self.ssl = root / "deploy/security/secrets", root / "deploy/security/ssl"
        for folder in (self.secrets, self.ssl):
            folder.mkdir()
            (folder / ".gitkeep").touch()
        (root / ".gitignore").write_text("security/*/*.pem\nsecurity/secrets/token\n")

    def put(self, token):
        (self.secrets / "token").write_text(token)

    def read_by(self, service, path, slot=""):
        slot = f"-{slot}" if slot else ""
        return docker("exec", f"{self.project.name}-local{slot}-{service}-1", "cat", path)

    def served(self):
        return ssl.get_server_certificate(("127.0.0.1", self.https))

    def started(self, *services):
        names = [f"{self.project.name}-local-{service}-1" for service in services]
        return docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}}", *names)


def test_keys_and_secrets(project):
    """S5, S6, N2 and N3: private, readable by who needs them, renewed, rolled back, never lost."""
    keys, folder = Keys(project), project.folder
    release(project, "1.0.0")
    refused = project.inv("deploy")
    assert refused.code in (2, 3)
    assert "security/secrets/token" in refused.err
    keys.put("secret-one")
    project.inv("init.certificate").ok()
    project.inv("deploy").ok()
    # N2 and S5: the app's user reads it, and nobody else on the host.
    assert keys.read_by("web", "/run/secrets/token", "blue") == "secret-one"
    assert keys.read_by("notes", "/keys/token") == "secret-one"
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    private = [path for path, data in files.items() if b"secret-one" in data or b"PRIVATE" in data]
    assert {path.name for path in private} >= {"token", "privkey.pem"}
    assert not [path for path in private if stat.S_IMODE(path.stat().st_mode) & 0o137]
    assert stat.S_IMODE((folder / "live").stat().st_mode) == 0o700
    if os.geteuid() == 0:
        assert (folder / "releases/1.0.0/tree/security/secrets/token").stat().st_uid == 1000
    assert "nothing to do" in project.inv("deploy").ok().out
    # Rotated: another release of the same version, and a rollback brings the old one back.
    before = keys.started("nginx")
    keys.put("secret-two")
    plan = project.inv("deploy.plan").ok().out
    # Columns are as wide as the other changes want them.
    assert "secret file security/secrets/token set -> changed" in " ".join(plan.split()), plan
    assert "secret-two" not in plan
    project.inv("deploy").ok()
    assert "1.0.0+r2" in project.inv("status").ok().out
    assert keys.read_by("web", "/run/secrets/token", "green") == "secret-two"
    assert keys.read_by("notes", "/keys/token") == "secret-two"
    project.inv("rollback", "--auto-approve", "--keep-schema").ok()
    assert keys.read_by("web", "/run/secrets/token", "blue") == "secret-one"
    project.inv("hold.lift").ok()
    project.inv("deploy").ok()
    # N3: a renewed certificate is one step, and costs nobody anything.
    old = keys.served()
    project.inv("init.certificate", "--force").ok()
    new = (keys.ssl / "fullchain.pem").read_text()
    steps = project.inv("deploy.plan", "--json").ok().json["steps"]
    assert [step["name"] for step in steps] == ["renew"]
    assert "reload nginx: security/ssl/fullchain.pem, security/ssl/privkey.pem" in steps[0]["title"]
    with Load(f"http://127.0.0.1:{project.http}/") as load:
        project.inv("deploy").ok()
        tally = load.stop()
    assert (tally.lost, tally.failed) == ([], 0)
    assert keys.served() == new != old
    assert "nothing to do" in project.inv("deploy").ok().out
    assert keys.started("nginx") == before
    # A pair that does not match is refused by the check, and else put back.
    (keys.ssl / "privkey.pem").rename(keys.ssl / "mine")
    (keys.ssl / "fullchain.pem").unlink()
    project.inv("init.certificate", "--force").ok()
    (keys.ssl / "mine").rename(keys.ssl / "privkey.pem")
    assert project.inv("deploy").code == 3
    failed = project.inv("certificate.reload")
    assert failed.code == 1, failed.text
    assert "what was there before is back" in failed.err
    assert keys.served() == new
    # S6: a fresh clone has none of them, and takes none away.
    for path in (*keys.ssl.glob("*.pem"), keys.secrets / "token"):
        path.unlink()
    release(project, "1.1.0")
    done = project.inv("deploy").ok()
    assert "security/secrets/token is not here: localhost keeps the one that it has" in done.err
    assert keys.read_by("web", "/run/secrets/token", "blue") == "secret-two"
    assert keys.read_by("notes", "/keys/token") == "secret-two"
    assert keys.served() == new
    assert keys.started("nginx") == before
    assert "nothing to do" in project.inv("deploy").ok().out
    project.inv("certificate.reload").ok()
    assert keys.served() == new
