"""A request over HTTP."""

from dataclasses import replace

from towline.config.probes import HttpProbe
from towline.health.expectations import send_request
from towline.health.probes import Answer
from towline.health.target import Target, in_url

_PAGE = 65536


def ask(probe: HttpProbe, target: Target) -> Answer:
    """See `ask_probe`."""
    address, port = target.at(probe.port)
    base = f"http://{in_url(address)}"
    answer = send_request(base, probe, timeout=probe.timeout, port=port, limit=_PAGE, direct=True)
    return replace(answer, detail=f"{probe.method} {probe.path}: {answer.detail}")
