"""What the lab asks of the engine of this machine."""

from __future__ import annotations

import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path

from towline.errors import TowlineError
from towline.lab.image import LABEL


def docker(*arguments: str, stdin: Path | None = None) -> str:
    """Run the engine's client; returns what it prints.

    Raises:
        TowlineError: When it fails.
    """
    with ExitStack() as stack:
        source = stack.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL
        done = subprocess.run(
            ["docker", *arguments], stdin=source, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise TowlineError(f"docker {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def make_network(name: str) -> None:
    """Make the network of a lab, in which its containers know each other by name."""
    if name not in docker("network", "ls", "--format", "{{.Name}}").split():
        docker("network", "create", f"--label={LABEL}={name}", name)


def remove_network(name: str) -> None:
    """Remove the network of a lab, where there is one."""
    listed = docker("network", "ls", "--quiet", "--filter", f"label={LABEL}={name}").split()
    if listed:
        docker("network", "rm", *listed)


def free_ports(count: int) -> list[int]:
    """Loopback ports that nothing listens on."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
