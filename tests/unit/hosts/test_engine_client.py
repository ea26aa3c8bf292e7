"""What an engine says, or no longer says, as errors of ours: the real SDK against a real socket."""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import docker
import pytest
from docker.types.daemon import CancellableStream

import towline.hosts
from towline.errors import (
    DiskFull,
    EngineDiskFull,
    EngineRefused,
    EngineUnreachable,
    NoSuchObject,
    TowlineError,
)
from towline.hosts.engine_client import refused, translated

FULL = "write /var/lib/docker/x: no space left on device"


class Engine(BaseHTTPRequestHandler):
    """Says no in several ways, and breaks off in others."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("/v1.41")[2]
        if path.startswith("/containers/gone/"):
            self.answer(404, b'{"message": "No such container: gone"}')
        elif path.startswith("/containers/busy/"):
            self.answer(409, b'{"message": "it is being removed"}')
        elif path.startswith("/images/thin/get"):
            self.answer(200, b"half of", length=1000)
        elif path.startswith("/info"):
            self.close_connection = True
        else:
            self.answer(200, b"{}")

    def do_POST(self):
        self.answer(500, b'{"message": "%s"}' % FULL.encode())

    def answer(self, code, body, length=0):
        self.send_response(code)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def client():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    port = server.server_address[1]
    found = docker.DockerClient(base_url=f"tcp://127.0.0.1:{port}", version="1.41")
    yield translated(found, "web1")
    found.close()
    server.shutdown()
    server.server_close()


def test_an_answer_is_passed_on(client):
    assert client.api.inspect_image("there") == {}


def test_what_an_engine_does_not_know(client):
    with pytest.raises(NoSuchObject, match="the engine of web1 refused: No such container") as told:
        client.api.inspect_container("gone")
    assert (told.value.status, told.value.explanation) == (404, "No such container: gone")


def test_what_an_engine_refuses(client):
    with pytest.raises(EngineRefused, match="the engine of web1 refused: it is being") as told:
        client.api.inspect_container("busy")
    assert told.value.status == 409
    assert not isinstance(told.value, NoSuchObject)


def test_an_engine_without_room_is_a_full_disk_and_a_refusal(client):
    with pytest.raises(EngineDiskFull, match="the disk of web1 is full: write") as told:
        client.api.start("any")
    assert isinstance(told.value, DiskFull)
    assert isinstance(told.value, EngineRefused)
    assert "free space on web1" in told.value.remedy


@pytest.mark.parametrize("ask", [lambda client: client.api.info(), lambda client: client.info()])
def test_an_engine_that_goes_away_is_unreachable(client, ask):
    with pytest.raises(EngineUnreachable, match="the connection to the engine of web1 broke"):
        ask(client)


def test_a_stream_that_breaks_off_is_unreachable_too(client):
    got = []
    with pytest.raises(EngineUnreachable, match="web1"):
        got.extend(client.api.get_image("thin"))


class Channel:
    """What Paramiko gives to read from: the SDK cannot cancel its stream."""

    channel = None


class OverSsh:
    """An answer over SSH, as far as `CancellableStream` looks at it."""

    def __init__(self):
        self.raw = SimpleNamespace(closed=False, _fp=SimpleNamespace(fp=Channel()))

    def close(self):
        self.raw.closed = True


def stream_over_ssh(parts):
    response = OverSsh()
    api = SimpleNamespace(exec_start=lambda: CancellableStream(parts, response))
    client = SimpleNamespace(api=api)
    return response, translated(client, "web1").api.exec_start()


def test_a_stream_over_ssh_ends_and_its_connection_goes_back():
    response, stream = stream_over_ssh(iter([b"one", b"two"]))
    assert list(stream) == [b"one", b"two"]
    assert response.raw.closed


def test_a_stream_over_ssh_that_breaks_says_why():
    def broken():
        yield b"one"
        raise EOFError

    response, stream = stream_over_ssh(broken())
    assert next(stream) == b"one"
    with pytest.raises(EngineUnreachable, match=r"broke \(EOFError\)"):
        next(stream)
    assert response.raw.closed


def test_a_refusal_in_a_stream_of_messages():
    assert isinstance(refused("web1", "denied"), TowlineError)
    assert isinstance(refused("web1", f"half\n{FULL}"), EngineDiskFull)


def test_no_room_above_knows_the_errors_of_the_libraries():
    """Each is translated in hosts/, so that nothing above asks for a package or its name."""
    source = Path(towline.hosts.__file__).parents[1]
    told = re.compile(r"docker\.errors|import RequestException|paramiko\.ssh_exc|\.__module__")
    found = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        if told.search(path.read_text()) and path.parent.name != "hosts"
    }
    # The credentials of `docker login` are read by the SDK, without an engine.
    assert found == {"images/registries.py"}


def test_a_mistake_of_ours_stays_one(client):
    with pytest.raises(TypeError):
        client.api.inspect_container("one", "two", "three")
