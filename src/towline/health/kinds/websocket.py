"""A WebSocket that opens, and answers where it is asked to."""

from dataclasses import replace

from towline.config.probes import WebSocketProbe
from towline.health.conversation import converse
from towline.health.probes import Answer
from towline.health.target import Target, in_url


def ask(probe: WebSocketProbe, target: Target) -> Answer:
    """See `ask_probe`."""
    address, port = target.at(probe.port)
    answer = converse(
        f"ws://{in_url(address)}{probe.path}",
        headers={**({"Host": probe.host} if probe.host else {}), **probe.headers},
        send=probe.send,
        expect=probe.expect,
        timeout=probe.timeout,
        port=port,
    )
    return replace(answer, detail=f"WebSocket {probe.path}: {answer.detail}")
