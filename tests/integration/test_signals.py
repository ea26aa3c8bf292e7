"""A signal from inside a container, which leaves its restart policy alone."""

import pytest

from loadgen import wait_until
from projects import LAB, docker
from towline.config.envfile import read_env
from towline.engines.compose import signals
from towline.errors import TowlineError
from towline.hosts.local import LocalHost

TELLS = """
import signal, time
signal.signal(signal.SIGHUP, lambda *_: print("told", flush=True))
print("ready", flush=True)
while True:
    time.sleep(0.1)
"""


@pytest.fixture
def container():
    image = (read_env(LAB, {}) if LAB.exists() else {}).get("PYTHON_IMAGE", "python:3.11-slim")
    made = docker("run", "-d", "--init", "--restart=unless-stopped", image, "python3", "-c", TELLS)
    yield made.strip(), image
    docker("rm", "--force", made.strip())


def test_a_container_without_a_shell_is_told_from_beside(container):
    name, image = container
    api = LocalHost().docker().api
    wait_until(lambda: "ready" in docker("logs", name), "it does not start")
    docker("exec", name, "sh", "-c", "cd /bin && rm -f kill /usr/bin/kill bash dash sh")
    with pytest.raises(TowlineError, match="no image of the release has a `kill`"):
        signals.send(api, name, "SIGHUP", ["no/such:image"])
    before = docker("ps", "--all", "--quiet").split()
    signals.send(api, name, "SIGHUP", ["no/such:image", image])
    wait_until(lambda: "told" in docker("logs", name), "it was not told")
    assert name[:12] in before
    beside = docker("ps", "--all", "--quiet", "--filter", f"ancestor={image}").split()
    assert name[:12] in beside
    # Detached: its own process may go down with the container.
    docker("exec", "--detach", name, "python3", "-c", "import os; os.kill(1, 15)")
    wait_until(lambda: docker("inspect", "-f", "{{.RestartCount}}", name) == "1\n", "not restarted")
