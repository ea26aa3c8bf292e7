"""It answers, and has its database."""

from dataclasses import replace

from towline.config.http_request import HttpRequest
from towline.config.probes import GrafanaProbe
from towline.health.expectations import send_request
from towline.health.probes import Answer
from towline.health.target import Target, in_url


def ask(probe: GrafanaProbe, target: Target) -> Answer:
    """See `ask_probe`; source: Grafana's "Health API"."""
    address, port = target.at(probe.port)
    wanted = HttpRequest(path=f"{probe.prefix}/api/health", json={"database": "ok"})
    base = f"http://{in_url(address)}"
    answer = send_request(base, wanted, timeout=probe.timeout, port=port, direct=True)
    said = f"database ok, {answer.detail}" if answer.healthy else answer.detail
    return replace(answer, detail=f"{wanted.path}: {said}")
