"""The Compose engine does what every engine does."""

import uuid

import pytest
from engine_contract import SERVICES, Case, EngineContract

from projects import LAB, free_ports
from towline.engines.factory import make_engine
from towline.hosts.local import LocalHost
from towline.state.releases import ReleaseStore, StateFolder
from toy import CONF

NETWORK = """
networks:
  default:
    ipam: {{config: [{{subnet: 10.{a}.{b}.0/24}}]}}
"""


@pytest.fixture(scope="class")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contract")
    lab = dict(line.split("=", 1) for line in LAB.read_text().split()) if LAB.exists() else {}
    python, nginx = lab.get("PYTHON_IMAGE", "python:3.11-slim"), lab.get("NGINX_IMAGE", "nginx")
    (port,) = free_ports(1)
    network = NETWORK.format(a=200 + port % 50, b=port % 250)
    (folder / "compose.yml").write_text(SERVICES.format(python=python, nginx=nginx) + network)
    (folder / "nginx.conf").write_text(CONF)
    (folder / "db.conf").touch()
    host, state = LocalHost(), StateFolder(folder.with_name(f"{folder.name}-state"))
    engine = make_engine("compose", host, state, f"t{uuid.uuid4().hex[:8]}", "local")
    yield Case(engine, ReleaseStore(host.files, state), folder)
    engine.destroy(data=True)


class TestCompose(EngineContract):
    """All of the contract."""
