"""The engine in memory, by which a rollout is tested, does what every engine does."""

import pytest
from engine_contract import SERVICES, Case, EngineContract
from memory_engine import make_memory_engine

from towline.hosts.local import LocalHost
from towline.state.releases import ReleaseStore, StateFolder


@pytest.fixture(scope="class")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    (folder / "compose.yml").write_text(SERVICES.format(python="python", nginx="nginx"))
    for name in ("db.conf", "nginx.conf"):
        (folder / name).touch()
    host, state = LocalHost(), StateFolder(folder.with_name(f"{folder.name}-state"))
    engine = make_memory_engine(host, state, "shop", "local")
    return Case(engine, ReleaseStore(host.files, state), folder)


class TestMemory(EngineContract):
    """All of the contract."""
