"""A loopback port here that leads to a port of a host, over the connection there is."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paramiko import Transport

_CHUNK = 1 << 16
_LOOPBACK = "127.0.0.1"
# A port where nothing listens: only whether it may be asked is of interest.
_DISCARD = 9
# SSH_OPEN_ADMINISTRATIVELY_PROHIBITED; source: RFC 4254, 5.1.
_PROHIBITED = 1


def allowed(transport: Transport) -> bool:
    """Whether a server passes connections on to loopback ports of its host.

    Raises:
        paramiko.SSHException: When the connection is lost.
    """
    from paramiko import ChannelException

    try:
        transport.open_channel("direct-tcpip", (_LOOPBACK, _DISCARD), (_LOOPBACK, 0)).close()
    except ChannelException as error:
        return error.code != _PROHIBITED
    return True


class Forward:
    """Listens on a free loopback port and passes every connection on.

    Args:
        transport: Gives the SSH transport; asked anew for each connection, which outlives a cut.
        port: Port that is reached from the host.
        address: Of the host itself, or of one of its containers.
    """

    def __init__(
        self, transport: Callable[[], Transport], port: int, address: str = _LOOPBACK
    ) -> None:
        self._transport = transport
        self._there = (address, port)
        self._server = socket.create_server((_LOOPBACK, 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self._server.getsockname()
        return str(host), int(port)

    def close(self) -> None:
        """Stop listening; open connections end by themselves."""
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                here, peer = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(here, peer), daemon=True).start()

    def _pass_on(self, here: socket.socket, peer: tuple[str, int]) -> None:
        from paramiko import SSHException

        from towline.errors import TowlineError

        try:
            there = self._transport().open_channel("direct-tcpip", self._there, peer)
        except (SSHException, EOFError, OSError, TowlineError):
            # Whoever connected sees what a refused connection looks like.
            here.close()
            return
        up = threading.Thread(target=_pump, args=(here, there), daemon=True)
        up.start()
        _pump(there, here)
        up.join()
        there.close()
        here.close()


def _pump(source: Any, target: Any) -> None:
    """Pass bytes on until the source ends, and say so to the target."""
    try:
        while data := source.recv(_CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except (OSError, EOFError):
        # One side is gone; the other must not wait for it.
        for end in (source, target):
            end.close()
