"""The Docker SDK over the one SSH connection: each HTTP connection is a `docker system dial-stdio`.

The SDK's own SSH adapter opens a second connection by rules of its own; this one is given
channels of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from docker import APIClient, DockerClient
from docker.transport.basehttpadapter import BaseHTTPAdapter
from docker.transport.sshconn import SSHConnectionPool, SSHHTTPAdapter
from urllib3._collections import RecentlyUsedContainer
from urllib3.connection import HTTPConnection

if TYPE_CHECKING:
    from paramiko import Channel

# The SDK treats streams of this address as channels of Paramiko.
_URL = "http+docker://ssh"
# sshd allows ten sessions a connection (MaxSessions); files and commands need some of them.
_CHANNELS = 6


class _Connection(HTTPConnection):
    def __init__(self, open_channel: Callable[[], Channel], timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._open_channel = open_channel
        self._seconds = timeout

    def connect(self) -> None:
        channel: Any = self._open_channel()
        channel.settimeout(self._seconds)
        self.sock = channel


class _Pool(SSHConnectionPool):  # type: ignore[misc]
    def __init__(self, open_channel: Callable[[], Channel], timeout: float) -> None:
        super().__init__(ssh_client=None, timeout=timeout, maxsize=_CHANNELS)
        self.block = True
        self._open_channel = open_channel

    def _new_conn(self) -> _Connection:
        return _Connection(self._open_channel, self.timeout)


class _Adapter(SSHHTTPAdapter):  # type: ignore[misc]
    def __init__(self, open_channel: Callable[[], Channel], timeout: float) -> None:
        self.ssh_client = None
        self.timeout = timeout
        self.max_pool_size = _CHANNELS
        self._pool = _Pool(open_channel, timeout)
        self.pools: Any = RecentlyUsedContainer(1)
        BaseHTTPAdapter.__init__(self)

    def get_connection(self, url: str, proxies: object = None) -> _Pool:  # noqa: ARG002
        return self._pool

    def close(self) -> None:
        self._pool.close()


def docker_client(open_channel: Callable[[], Channel], timeout: float) -> DockerClient:
    """A client of a host's engine.

    Args:
        open_channel: Opens a channel that speaks with the engine's socket.
        timeout: Seconds that an answer may take.

    Raises:
        docker.errors.DockerException: When the engine does not answer.
    """
    api = APIClient(base_url="http://localhost:2375", version="1.41", timeout=int(timeout))
    api.base_url = _URL
    # No proxy of this machine's environment stands between us and a channel.
    api.trust_env = False
    api.mount(_URL, _Adapter(open_channel, timeout))
    # What `version="auto"` does, which would ask before the address is right.
    api._version = api._retrieve_server_version()
    client = DockerClient.__new__(DockerClient)
    client.api = api
    return client
