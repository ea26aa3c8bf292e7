"""A connection that is accepted, and stays open."""

import socket
import time

from towline.config.probes import TcpProbe
from towline.config.redaction import KNOWN, excerpt
from towline.health.probes import Answer, Outcome, failure, hint
from towline.health.target import Target

# Seconds in which Docker's proxy, which accepts for whoever listens behind it, hangs up.
_HANGS_UP = 0.2
_LIMIT = 4096
_SHOWN = 80


def ask(probe: TcpProbe, target: Target) -> Answer:
    """See `ask_probe`."""
    address, port = target.at(probe.port)
    started = time.monotonic()
    heard = b""
    try:
        with socket.create_connection(address, timeout=probe.timeout) as connection:
            connected = time.monotonic() - started
            if probe.send:
                connection.sendall(probe.send.encode())
            if probe.expect:
                heard = _hear(connection, probe.expect.encode(), started + probe.timeout)
            else:
                _require_open(connection, min(_HANGS_UP, probe.timeout))
    except OSError as error:
        took = time.monotonic() - started
        said = f"port {port}: {failure(error, probe.timeout, port)}"
        return Answer(Outcome.ERROR, said, took, hint(error))
    took = time.monotonic() - started if probe.expect else connected
    text = heard.decode("utf-8", "replace")
    if probe.expect not in text:
        said = f"port {port}: answered {excerpt(text, _SHOWN)!r}, wanted {probe.expect!r}"
        return Answer(Outcome.FAILURE, KNOWN.redact(said), took)
    return Answer(Outcome.HEALTHY, f"port {port} accepts, in {took * 1000:.0f} ms", took)


def _require_open(connection: socket.socket, seconds: float) -> None:
    """Raises ConnectionRefusedError when the other side hangs up at once."""
    connection.settimeout(seconds)
    try:
        there = connection.recv(1, socket.MSG_PEEK)
    except TimeoutError:
        return
    if not there:
        raise ConnectionRefusedError


def _hear(connection: socket.socket, wanted: bytes, ends: float) -> bytes:
    """What is said until the wanted is in it, or the connection or the time ends."""
    heard = b""
    while wanted not in heard and len(heard) < _LIMIT:
        connection.settimeout(max(0.001, ends - time.monotonic()))
        try:
            part = connection.recv(_LIMIT)
        except TimeoutError:
            if not heard:
                raise
            break
        if not part:
            if not heard:
                raise ConnectionRefusedError
            break
        heard += part
    return heard
