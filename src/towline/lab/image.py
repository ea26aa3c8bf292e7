"""The image of a lab host, built once for its content."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from towline import scratch
from towline.errors import TowlineError

TEMPLATES = Path(__file__).resolve().parents[1] / "templates" / "lab"
LABEL = "towline.lab"
_PLUGINS = ("docker-compose", "docker-buildx")
_PLUGIN_FOLDERS = (
    "~/.docker/cli-plugins",
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
)
_TAIL = 15


def ensure_image(settings: Mapping[str, str]) -> str:
    """The name of the image; it is built when it is not there.

    Args:
        settings: `DEBIAN_IMAGE` and `BUILD_NETWORK`, where this machine needs others than the
            official image and the usual network.

    Raises:
        TowlineError: When it cannot be built.
    """
    base = settings.get("DEBIAN_IMAGE", "debian:bookworm")
    plugins = _plugins()
    digest = hashlib.sha256(base.encode())
    for path in (*sorted(TEMPLATES.iterdir()), *plugins):
        digest.update(path.name.encode() + path.read_bytes())
    name = f"towline-lab/host:{digest.hexdigest()[:12]}"
    if _run("docker", "image", "inspect", name).returncode == 0:
        return name
    with scratch.folder() as context:
        for path in TEMPLATES.iterdir():
            shutil.copy(path, context / path.name)
        (context / "plugins").mkdir()
        for path in plugins:
            shutil.copy(path, context / "plugins" / path.name)
        network = settings.get("BUILD_NETWORK", "default")
        done = _run("docker", "build", "--network", network, "--build-arg", f"DEBIAN_IMAGE={base}",
                    "--label", LABEL, "--tag", name, str(context))  # fmt: skip
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise TowlineError(
            f"the image of a lab host cannot be built from {base}",
            details=lines[-_TAIL:],
            remedy="fix what it says, and run `inv lab.up` again",
        )
    return name


def _plugins() -> list[Path]:
    """The Compose and buildx plugins of this machine: the hosts get the same."""
    found = []
    for name in _PLUGINS:
        places = (Path(folder).expanduser() / name for folder in _PLUGIN_FOLDERS)
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise TowlineError(
                f"the Docker plugin {name} is not installed here, and a lab host needs it",
                remedy="install Docker Compose and buildx",
            )
        found.append(path)
    return found


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
