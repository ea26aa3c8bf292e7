"""What a registry is asked, against servers on this machine that answer as registries do."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from towline.config.deploy_sections import Registry
from towline.errors import TowlineError, UsageError
from towline.images.registries import Registries
from towline.images.registry import (
    Credentials,
    Layer,
    Reference,
    RemoteImage,
    Unreachable,
    look,
    repository,
    split,
)

OURS = Credentials("deploy", "s3cret")
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = {
    "rootfs": {"diff_ids": ["sha256:d1", "sha256:d2"]},
    "config": {"Labels": {"towline.content": "c0"}},
}
MANIFEST = {
    "config": {"digest": "sha256:cfg"},
    "layers": [{"digest": "sha256:b1", "size": 100}, {"digest": "sha256:b2", "size": 20}],
}
PLATFORMS = {
    "manifests": [
        {"digest": "sha256:arm", "platform": {"os": "linux", "architecture": "arm64"}},
        {"digest": "sha256:amd", "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": "sha256:att", "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
}
LAYERS = (Layer("sha256:d1", "sha256:b1", 100), Layer("sha256:d2", "sha256:b2", 20))


class Server(ThreadingHTTPServer):
    """Keeps what was asked, and lets in as its `kind` says: `open`, `basic` or `bearer`."""

    def __init__(self, kind):
        super().__init__(("127.0.0.1", 0), Answer)
        self.kind, self.asked = kind, []
        self.files = {"manifests/1.0": MANIFEST, "manifests/sha256:amd": MANIFEST,
                      "manifests/multi": PLATFORMS, "blobs/sha256:cfg": CONFIG}  # fmt: skip

    @property
    def address(self):
        return f"127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        given = self.headers.get("Authorization", "")
        self.server.asked.append((path, query, given))
        basic = "Basic " + base64.b64encode(b"deploy:s3cret").decode()
        if path == "/token":
            ok = given == basic
            self.say(200 if ok else 401, {"token": "t0ken"} if ok else {})
        elif self.server.kind == "basic" and given != basic:
            self.say(401, {}, {"WWW-Authenticate": 'Basic realm="it"'})
        elif self.server.kind == "bearer" and given != "Bearer t0ken":
            realm = f'Bearer realm="http://{self.server.address}/token",service="it"'
            self.say(401, {}, {"WWW-Authenticate": realm})
        else:
            name = path.removeprefix("/v2/team/api/")
            found = self.server.files.get(name)
            self.say(200 if found is not None else 404, found)

    def say(self, status, data, headers=None):
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(kind="open"):
        server = Server(kind)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("name", "parts", "bare"),
    [
        ("postgres:15", ("docker.io", "library/postgres", "15"), "postgres"),
        ("postgres", ("docker.io", "library/postgres", "latest"), "postgres"),
        ("acme/shop:1.4", ("docker.io", "acme/shop", "1.4"), "acme/shop"),
        ("docker.io/redis", ("docker.io", "library/redis", "latest"), "docker.io/redis"),
        ("ghcr.io/acme/shop:1", ("ghcr.io", "acme/shop", "1"), "ghcr.io/acme/shop"),
        ("localhost:5000/a/b", ("localhost:5000", "a/b", "latest"), "localhost:5000/a/b"),
        ("localhost/a:1", ("localhost", "a", "1"), "localhost/a"),
        ("h:5000/a:1@sha256:ab", ("h:5000", "a", "sha256:ab"), "h:5000/a"),
        ("redis@sha256:ab", ("docker.io", "library/redis", "sha256:ab"), "redis"),
    ],
)
def test_names(name, parts, bare):
    assert split(name) == Reference(*parts)
    assert repository(name) == bare


@pytest.mark.parametrize("kind", ["open", "basic", "bearer"])
def test_an_image_with_its_layers_and_labels(serve, kind):
    server = serve(kind)
    found = look(f"{server.address}/team/api:1.0", OURS, "amd64")
    digest = "sha256:" + hashlib.sha256(json.dumps(MANIFEST).encode()).hexdigest()
    assert found == RemoteImage(digest, LAYERS, {"towline.content": "c0"})
    if kind == "bearer":
        (query,) = (query for path, query, _ in server.asked if path == "/token")
        assert query == "service=it&scope=repository%3Ateam%2Fapi%3Apull"


def test_of_an_index_the_machine_s_own_image_counts(serve):
    server = serve()
    found = look(f"{server.address}/team/api:multi", None, "amd64")
    assert found.layers == LAYERS
    # The digest is that of the index, as engines record it.
    assert found.digest == "sha256:" + hashlib.sha256(json.dumps(PLATFORMS).encode()).hexdigest()
    with pytest.raises(UsageError, match="is not built for s390x") as caught:
        look(f"{server.address}/team/api:multi", None, "s390x")
    assert "amd64, arm64" in caught.value.remedy


def test_an_image_that_is_not_there(serve):
    assert look(f"{serve().address}/team/api:9", None, "amd64") is None


@pytest.mark.parametrize("kind", ["basic", "bearer"])
def test_who_is_not_let_in_reads_why(serve, kind):
    server = serve(kind)
    name = f"{server.address}/team/api:1.0"
    with pytest.raises(UsageError, match="asks for credentials"):
        look(name, None, "amd64")
    with pytest.raises(UsageError, match="does not accept the credentials") as caught:
        look(name, Credentials("deploy", "wr0ng"), "amd64")
    assert "wr0ng" not in repr((caught.value, caught.value.remedy))


@pytest.mark.parametrize("answer", [b"<html>", {}, {"manifests": [{}]}, [1]])
def test_what_is_no_registry(serve, answer):
    server = serve()
    server.files["manifests/1.0"] = answer
    with pytest.raises((Unreachable, UsageError)):
        look(f"{server.address}/team/api:1.0", None, "amd64")


def test_a_registry_that_is_down():
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1 does not answer"):
        look("127.0.0.1:1/team/api:1.0", None, "amd64")


def test_credentials_do_not_show():
    assert "s3cret" not in repr(OURS)


@pytest.fixture
def registries(monkeypatch):
    def make(address, **values):
        monkeypatch.delenv("TOKEN", raising=False)
        return Registries({address: Registry(username="deploy", password="TOKEN")}, values)

    return make


def test_the_password_comes_from_the_variable_that_is_named(registries, monkeypatch):
    made = registries("ghcr.io", TOKEN="from-file")
    assert made.credentials("ghcr.io/a/b:1") == Credentials("deploy", "from-file")
    monkeypatch.setenv("TOKEN", "from-process")
    assert made.authentication("ghcr.io/a/b") == {"username": "deploy", "password": "from-process"}
    assert made.authentication("other.io/a/b") is None
    assert made.secrets() == {"TOKEN_PASSWORD": "from-process"}
    assert made.pushes("ghcr.io/a/b:1")
    assert not made.pushes("a/b:1")


def test_a_password_without_a_value(registries):
    with pytest.raises(UsageError, match=r"TOKEN, the password for ghcr\.io, has no value"):
        registries("ghcr.io").credentials("ghcr.io/a/b:1")


def test_the_operator_s_own_login(registries, monkeypatch, tmp_path):
    secret = base64.b64encode(b"me:pw").decode()
    config = {"auths": {"other.io": {"auth": secret}}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    made = registries("ghcr.io")
    assert made.credentials("other.io/a/b") == Credentials("me", "pw")
    assert made.credentials("third.io/a/b") is None


def test_all_hosts_ask_once(registries, serve):
    server = serve("basic")
    made = registries(server.address, TOKEN="s3cret")
    name = f"{server.address}/team/api:1.0"
    first = made.remote_image(name, "amd64", lambda *_: "")
    count = len(server.asked)
    assert made.remote_image(name, "amd64", lambda *_: "") is first
    assert len(server.asked) == count
    made.forget(name)
    made.remote_image(name, "amd64", lambda *_: "")
    assert len(server.asked) > count


@pytest.mark.parametrize("digest", ["sha256:ab", ""])
def test_what_only_the_hosts_can_reach_is_asked_there(registries, digest):
    made = registries("127.0.0.1:1", TOKEN="s3cret")
    found = made.remote_image("127.0.0.1:1/a:1", "amd64", lambda *_: digest)
    assert found == (RemoteImage(digest) if digest else None)


def test_a_registry_that_nobody_reaches_is_waited_for_once(registries):
    made = registries("127.0.0.1:1", TOKEN="s3cret")
    asked = []

    def engine(reference, auth):
        asked.append((reference, auth["username"]))
        raise TowlineError("cannot reach it")

    for _ in range(3):
        with pytest.raises(TowlineError, match="cannot reach it"):
            made.remote_image("127.0.0.1:1/a:1", "amd64", engine)
    assert asked == [("127.0.0.1:1/a:1", "deploy")]
