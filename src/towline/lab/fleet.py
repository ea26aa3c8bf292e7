"""Lab hosts: started, listed, supplied with images, removed."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from towline.errors import TowlineError
from towline.lab import registry
from towline.lab.containers import docker, free_ports, make_network, remove_network
from towline.lab.image import LABEL, ensure_image
from towline.lab.keys import USER, key_pair, known_hosts, ssh_config
from towline.lab.registry import Registry

_FILE = "lab.json"
_SECONDS = 60
_POLL = 0.1
# What an engine in a container needs, for machines where --privileged is not to be had.
_UNPRIVILEGED = (
    "--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined", "--security-opt=systempaths=unconfined",
    "--device-cgroup-rule=a *:* rwm", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
)  # fmt: skip
# Ports of a host that are reached from here: where routers usually listen.
SERVED = (8080, 8443)


@dataclass(frozen=True)
class LabHost:
    """One container host.

    Attributes:
        name: Its name, in the lab's SSH configuration too.
        container: Name of the container.
        ssh: Loopback port of its sshd.
        ports: Port on the host -> loopback port here, for `SERVED`.
    """

    name: str
    container: str
    ssh: int
    ports: Mapping[int, int]


@dataclass(frozen=True)
class Lab:
    """A running lab.

    Attributes:
        folder: Its keys, `ssh_config` and `known_hosts`.
        hosts: Its hosts.
        registry: Its registry, whose address is the same here and on the hosts.
    """

    folder: Path
    hosts: Sequence[LabHost]
    registry: Registry

    @property
    def ssh_config(self) -> Path:
        """The SSH configuration that names its hosts."""
        return self.folder / "ssh_config"


def up(
    folder: Path,
    *,
    hosts: int,
    name: str = "",
    settings: Mapping[str, str] | None = None,
) -> Lab:
    """Start a lab; hosts that run already are left as they are.

    Args:
        folder: Where its keys and its SSH configuration go.
        hosts: How many hosts.
        name: Tells labs apart; containers are called after it. Default: made from the folder, so
            that each checkout has a lab of its own.
        settings: See `ensure_image`.

    Raises:
        TowlineError: When the image cannot be built, or a host does not start.
    """
    name = name or _name_of(folder)
    image = ensure_image(settings or {})
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key_pair(folder / "id_ed25519")
    numbers = range(1, hosts + 1)
    for number in numbers:
        key_pair(folder / f"host{number}")
    make_network(name)
    store = registry.start(folder, name, image)
    with ThreadPoolExecutor(max_workers=4) as pool:
        started = list(pool.map(lambda number: _start(folder, name, image, number, store), numbers))
    lab = Lab(folder, started, store)
    keys = {
        host.ssh: (folder / f"host{number}.pub").read_text().strip()
        for number, host in zip(numbers, started, strict=True)
    }
    (folder / "known_hosts").write_text(known_hosts(keys))
    lab.ssh_config.write_text(ssh_config(folder, {host.name: host.ssh for host in started}))
    (folder / _FILE).write_text(json.dumps([asdict(host) for host in started], indent=2))
    with ThreadPoolExecutor(max_workers=4) as pool:
        list(pool.map(_wait, started))
    return lab


def down(folder: Path, *, name: str = "") -> list[str]:
    """Remove a lab with all that its hosts hold; returns the names of the containers."""
    name = name or _name_of(folder)
    names = sorted(_states(name))
    if names:
        docker("rm", "--force", "--volumes", *names)
    remove_network(name)
    shutil.rmtree(folder, ignore_errors=True)
    return names


def states(folder: Path, *, name: str = "") -> dict[str, str]:
    """What the containers of a lab are doing: host or `registry` -> `running`, `exited`, `gone`."""
    name = name or _name_of(folder)
    found = _states(name)
    file = folder / _FILE
    if not file.is_file():
        return {}
    hosts = {item["container"]: item["name"] for item in json.loads(file.read_text())}
    hosts[registry.container(name)] = "registry"
    return {host: found.get(container, "gone") for container, host in hosts.items()}


def _name_of(folder: Path) -> str:
    """What the lab in a folder is called, or would be."""
    file = folder / _FILE
    if file.is_file() and (hosts := json.loads(file.read_text())):
        return str(hosts[0]["container"]).rpartition("-")[0]
    place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()
    return f"towline-lab-{place[:8]}"


def _states(name: str) -> dict[str, str]:
    """Name -> state of the containers of a lab."""
    form = "{{.Names}} {{.State}}"
    listed = docker("ps", "--all", "--filter", f"label={LABEL}={name}", "--format", form)
    return dict(line.split(" ", 1) for line in listed.splitlines())


def _start(folder: Path, name: str, image: str, number: int, store: Registry) -> LabHost:
    container = f"{name}-{number}"
    state = _states(name).get(container, "")
    if not state:
        _create(folder, name, container, image, number, store)
    if state != "running":
        docker("start", container)
    ports = {port: _published(container, port) for port in (22, *SERVED)}
    served = {port: ports[port] for port in SERVED}
    return LabHost(f"lab{number}", container, ports[22], served)


def _create(
    folder: Path, name: str, container: str, image: str, number: int, store: Registry
) -> None:
    wanted = free_ports(1 + len(SERVED))
    publish = [
        f"--publish=127.0.0.1:{here}:{there}"
        for here, there in zip(wanted, (22, *SERVED), strict=True)
    ]
    docker(
        "create", *_rights(image), *publish, f"--label={LABEL}={name}", f"--name={container}",
        f"--hostname={container}", f"--network={name}", f"--env=REGISTRY={store.container}",
        f"--env=REGISTRY_PORT={store.port}", "--restart=no", image,
    )  # fmt: skip
    authorized = folder / "authorized_keys"
    authorized.write_text((folder / "id_ed25519.pub").read_text())
    for key in (f"host{number}", f"host{number}.pub"):
        end = ".pub" if key.endswith(".pub") else ""
        docker("cp", str(folder / key), f"{container}:/etc/ssh/ssh_host_ed25519_key{end}")
    docker("start", container)
    for home, user in (("/root", "root"), (f"/home/{USER}", USER)):
        script = (
            f"mkdir -p {home}/.ssh && cat > {home}/.ssh/authorized_keys && "
            f"chown -R {user}: {home}/.ssh && chmod 700 {home}/.ssh && "
            f"chmod 600 {home}/.ssh/authorized_keys && chown root: /etc/ssh/ssh_host_ed25519_key*"
        )
        docker("exec", "--interactive", container, "sh", "-c", script, stdin=authorized)


@cache
def _rights(image: str) -> tuple[str, ...]:
    """The rights of a host: `--privileged` where that works."""
    trial = ["docker", "run", "--rm", "--privileged", f"--label={LABEL}", image, "true"]
    done = subprocess.run(trial, capture_output=True, check=False)
    return ("--privileged",) if done.returncode == 0 else _UNPRIVILEGED


def _published(container: str, port: int) -> int:
    return int(docker("port", container, f"{port}/tcp").split("\n")[0].rpartition(":")[2])


def _wait(host: LabHost) -> None:
    """Until its engine and its sshd answer."""
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        engine = subprocess.run(
            ["docker", "exec", host.container, "docker", "info"], capture_output=True, check=False
        )
        if engine.returncode == 0 and _greets(host.ssh):
            return
        time.sleep(_POLL)
    log = subprocess.run(
        ["docker", "exec", host.container, "tail", "-n", "8", "/var/log/dockerd.log"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    raise TowlineError(
        f"{host.name} did not start within {_SECONDS} s",
        details=log.stdout.splitlines(),
        remedy=f"docker logs {host.container}; `inv lab.down` removes the lab",
    )


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as probe:
            return probe.recv(4) == b"SSH-"
    except OSError:
        return False
