"""The Docker SDK over the one SSH connection: each HTTP connection is a `docker system dial-stdio`.

The SDK's own SSH adapter opens a second connection by rules of its own. A socket file here that
leads there would do as well, but the SDK does not limit how many connections it opens to one, and
sshd allows few; here a pool of urllib3 does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from docker import APIClient, DockerClient
from requests import Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

if TYPE_CHECKING:
    from paramiko import Channel

# The SDK treats streams of this address as channels of Paramiko.
_URL = "http+docker://ssh"
# sshd allows ten sessions a connection (MaxSessions); files and commands need some of them.
_CHANNELS = 6


class _Connection(HTTPConnection):
    """An HTTP connection through a channel."""

    def __init__(self, *arguments: Any, open_channel: Callable[[], Channel], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._open_channel = open_channel

    @property
    def is_connected(self) -> bool:
        # Asked before a connection is used again. Of a channel, `select` would need a pipe.
        channel: Any = self.sock
        return channel is not None and not (channel.closed or channel.eof_received)

    def connect(self) -> None:
        channel: Any = self._open_channel()
        channel.settimeout(self.timeout)
        self.sock = channel


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _Adapter(HTTPAdapter):
    """Sends every request through one pool; whoever comes when all channels are busy waits."""

    def __init__(self, open_channel: Callable[[], Channel], timeout: float) -> None:
        super().__init__()
        self._pool = _Pool(
            "localhost", timeout=timeout, maxsize=_CHANNELS, block=True, open_channel=open_channel
        )

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> _Pool:
        return self._pool

    def get_connection(self, *_: Any, **__: Any) -> _Pool:
        # The name that Requests called it by up to 2.31.
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


class _Client(DockerClient):  # type: ignore[misc]
    """A client around what speaks with an engine already."""

    def __init__(self, api: APIClient) -> None:
        self.api = api


def docker_client(open_channel: Callable[[], Channel], timeout: float) -> DockerClient:
    """A client of a host's engine.

    Args:
        open_channel: Opens a channel that speaks with the engine's socket.
        timeout: Seconds that an answer may take.

    Raises:
        requests.RequestException: When the engine does not answer.
        docker.errors.DockerException: When it is too old for the SDK.
    """
    adapter = _Adapter(open_channel, timeout)
    # What `version="auto"` does, which would ask before the address is right.
    answer = _over(adapter, Session()).get(f"{_URL}/version", timeout=timeout)
    answer.raise_for_status()
    version = str(answer.json()["ApiVersion"])
    api = APIClient(base_url="http://localhost:2375", version=version, timeout=int(timeout))
    api.base_url = _URL
    return _Client(_over(adapter, api))


def _over(adapter: _Adapter, session: Session) -> Any:
    """A session that uses an adapter for the engine's address, and no proxy in between."""
    session.trust_env = False
    session.mount(_URL, adapter)
    return session
