"""The lab's registry of images: one container, one user, the same loopback address everywhere."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from towline.lab.containers import docker, free_ports
from towline.lab.image import LABEL

_USER = "lab"
_PORT = 5000
PASSWORD_VARIABLE = "LAB_REGISTRY_PASSWORD"  # noqa: S105 - the name of a variable
_FILE = "registry.env"
_HTPASSWD = "/etc/towline-htpasswd"


@dataclass(frozen=True)
class Registry:
    """The registry of a lab.

    Attributes:
        container: Its container.
        port: Its port on the loopback address, here and on every host.
        username: Who may push and pull.
        password: That user's password.
    """

    container: str
    port: int
    username: str
    password: str = field(repr=False)

    @property
    def address(self) -> str:
        """How images name it."""
        return f"127.0.0.1:{self.port}"


def container(name: str) -> str:
    """The container of a lab's registry."""
    return f"{name}-registry"


def start(folder: Path, name: str, image: str) -> Registry:
    """Start the registry of a lab; one that is there keeps its port and its password."""
    password = _password(folder / _FILE)
    its_name = container(name)
    form = "{{.State}}"
    state = docker("ps", "--all", "--filter", f"name=^{its_name}$", "--format", form).strip()
    if not state:
        _create(folder, name, image, password)
    if state != "running":
        docker("start", its_name)
    port = int(docker("port", its_name, f"{_PORT}/tcp").split("\n")[0].rpartition(":")[2])
    return Registry(its_name, port, _USER, password)


def _create(folder: Path, name: str, image: str, password: str) -> None:
    import bcrypt

    (port,) = free_ports(1)
    docker(
        "create", f"--name={container(name)}", f"--network={name}", f"--label={LABEL}={name}",
        f"--publish=127.0.0.1:{port}:{_PORT}", f"--env=REGISTRY_HTTP_ADDR=:{_PORT}",
        "--env=REGISTRY_AUTH=htpasswd", "--env=REGISTRY_AUTH_HTPASSWD_REALM=lab",
        f"--env=REGISTRY_AUTH_HTPASSWD_PATH={_HTPASSWD}",
        "--env=REGISTRY_STORAGE_DELETE_ENABLED=true",
        image, "docker-registry", "serve", "/etc/docker/registry/config.yml",
    )  # fmt: skip
    listed = folder / "htpasswd"
    # A low cost: the lab is asked often, and guards nothing.
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4))
    listed.write_bytes(_USER.encode() + b":" + hashed + b"\n")
    docker("cp", str(listed), f"{container(name)}:{_HTPASSWD}")


def _password(file: Path) -> str:
    """The password in the lab's folder, made when there is none."""
    if not file.exists():
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as opened:
            opened.write(f"{PASSWORD_VARIABLE}={secrets.token_urlsafe(24)}\n")
    return file.read_text().strip().partition("=")[2]
