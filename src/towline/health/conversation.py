"""One WebSocket conversation: open, say something, hear something."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from towline.config.redaction import KNOWN, excerpt
from towline.health.probes import Answer, Outcome, failure, hint

_SHOWN = 80


def converse(
    url: str,
    *,
    headers: Mapping[str, str],
    send: str,
    expect: str,
    timeout: float,
    port: int | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Open a WebSocket, and judge what is answered.

    Args:
        url: Its address, `ws://` or `wss://`.
        headers: Of the handshake; `Host` takes the place of the address's own.
        send: Text that is sent; nothing when empty.
        expect: Text that the answer must contain; no answer is awaited when empty.
        timeout: Seconds until all must be over.
        port: The port as people know it, for messages.
        tls: For `wss`.
    """
    from websockets.exceptions import InvalidStatus, WebSocketException
    from websockets.sync.client import connect

    started = time.monotonic()
    ends = started + timeout
    url, named, rest = _named(url, headers)
    heard: str | bytes = ""
    try:
        with connect(
            url,
            sock=_dialled(named, timeout) if named else None,
            ssl=tls,
            additional_headers=rest,
            open_timeout=timeout,
            close_timeout=0.5,
            proxy=None,
        ) as conversation:
            if send:
                conversation.send(send)
            if expect:
                heard = conversation.recv(timeout=max(0.001, ends - time.monotonic()))
    except InvalidStatus as error:
        took = time.monotonic() - started
        return Answer(Outcome.FAILURE, f"no WebSocket: {error.response.status_code}", took)
    except (OSError, WebSocketException) as error:
        took = time.monotonic() - started
        return Answer(Outcome.ERROR, failure(error, timeout, port), took, hint(error))
    took = time.monotonic() - started
    text = heard if isinstance(heard, str) else heard.decode("utf-8", "replace")
    if expect not in text:
        said = f"answered {excerpt(text, _SHOWN)!r}, wanted {expect!r}"
        return Answer(Outcome.FAILURE, KNOWN.redact(said), took)
    return Answer(Outcome.HEALTHY, f"open and answered in {took * 1000:.0f} ms", took)


def _named(url: str, headers: Mapping[str, str]) -> tuple[str, str, dict[str, str]]:
    """An address under the name of a Host header, where to dial then, and the other headers."""
    host = next((value for name, value in headers.items() if name.lower() == "host"), "")
    rest = {name: value for name, value in headers.items() if name.lower() != "host"}
    if not host:
        return url, "", rest
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=host)), url, rest


def _dialled(url: str, timeout: float) -> socket.socket:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    return socket.create_connection((parts.hostname or "", port), timeout=timeout)
