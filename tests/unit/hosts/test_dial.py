"""The Docker SDK over channels: few are opened, they are used again, and dead ones are not."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from requests import RequestException

from towline.hosts import dial


class Engine(BaseHTTPRequestHandler):
    """Answers every question, of which some take a moment."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/v1.43/containers"):
            self.server.busy.wait(timeout=0.02)
        body = b'{"ApiVersion": "1.43", "Path": "%s"}' % self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Nothing."""


class Channel:
    """A socket, as a channel of Paramiko."""

    def __init__(self, address):
        self._socket = socket.create_connection(address)
        self.closed = self.eof_received = False

    def __getattr__(self, name):
        return getattr(self._socket, name)

    def close(self):
        self.closed = True
        self._socket.close()


@pytest.fixture
def engine():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
    server.busy, server.daemon_threads = threading.Event(), True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def channels(engine):
    """The channels that were opened."""
    return []


@pytest.fixture
def client(engine, channels):
    def opened():
        channels.append(Channel(engine.server_address))
        return channels[-1]

    made = dial.docker_client(opened, 5)
    yield made
    made.api.close()
    for channel in channels:
        channel.close()


def test_one_channel_is_used_again_and_again(client, channels):
    assert client.api.api_version == "1.43"
    assert client.version()["Path"] == "/v1.43/version"
    assert client.info()["Path"] == "/v1.43/info"
    assert len(channels) == 1


def test_no_more_are_opened_than_sshd_allows(client, channels):
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda n: client.api.inspect_container(f"c{n}"), range(40)))
    assert [item["Path"] for item in found] == [f"/v1.43/containers/c{n}/json" for n in range(40)]
    assert 1 < len(channels) <= dial._CHANNELS


@pytest.mark.parametrize("end", ["closed", "eof_received"])
def test_one_that_ended_while_nobody_used_it_is_replaced(client, channels, end):
    setattr(channels[0], end, True)
    assert client.version()["ApiVersion"] == "1.43"
    assert len(channels) == 2


def test_no_proxy_of_this_machine_stands_in_between(client, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert client.version()["ApiVersion"] == "1.43"


def test_an_engine_that_says_nothing_is_an_error_of_the_library():
    def dead():
        here, there = socket.socketpair()
        there.close()
        channel = Channel.__new__(Channel)
        channel._socket, channel.closed, channel.eof_received = here, False, False
        return channel

    with pytest.raises(RequestException):
        dial.docker_client(dead, 1)
