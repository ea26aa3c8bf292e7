"""A host behind SSH: files, commands and Docker engine over one connection."""

from __future__ import annotations

import logging
import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from towline.config.redaction import excerpt
from towline.errors import NoEngine, TowlineError, UsageError
from towline.hosts.address import Address
from towline.hosts.base import Result
from towline.hosts.facts import SCRIPT, Facts, understood
from towline.hosts.forward import Forward, allowed
from towline.hosts.link import Link
from towline.hosts.once import once
from towline.hosts.sdk import load_docker_over_ssh
from towline.hosts.sftp_files import SftpFiles

if TYPE_CHECKING:
    from docker import DockerClient
    from paramiko import Channel, Transport

_LOG = logging.getLogger(__name__)
_TIMEOUT = 120.0


class RemoteHost:
    """A machine behind SSH."""

    def __init__(self, address: Address, *, ssh_config: str = "", sudo: bool = False) -> None:
        self.link = Link(address, ssh_config, sudo)
        self.files = SftpFiles(self.link)
        self._forwards: dict[tuple[str, int], Forward] = {}
        self._client: tuple[Transport, DockerClient] | None = None
        self._renewing = threading.Lock()

    @property
    def name(self) -> str:
        """How people call it."""
        return self.link.address.short

    @property
    def commands(self) -> int:
        """See `Host.commands`."""
        return self.link.commands

    @once
    def facts(self) -> Facts:
        """Who we are there and what is installed; asked once.

        Raises:
            TowlineError: When the host cannot be reached or does not answer as a Unix does.
        """
        # Of whoever logs in, also where commands run through sudo: files are theirs.
        answer = self.link.run(["sh", "-c", SCRIPT], timeout=60, plain=True)
        try:
            return understood(answer.out)
        except ValueError as error:
            said = excerpt(answer.err.strip() or answer.out.strip(), 200)
            raise TowlineError(
                f"{self.name} does not answer as expected: {error}; it said {said!r}",
                remedy=f"see `{self.link.login('id')}`: its login shell must be one like sh",
            ) from None

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout: float = 600.0,
        tick: Callable[[], None] | None = None,  # noqa: ARG002 - the end is waited for
    ) -> Result:
        """See `Host.run`.

        Raises:
            UsageError: When the program is not installed.
            TowlineError: When it does not end in time, or the connection is lost.
        """
        started = time.monotonic()
        result = self.link.run(argv, env=env, timeout=timeout)
        took = time.monotonic() - started
        said = "%s: %s: code %d after %.2f s"
        _LOG.debug(said, self.name, shlex.join(argv), result.code, took)
        if result.code == 127:
            raise UsageError(
                f"{argv[0]} is not installed on {self.name}", remedy=f"install {argv[0]} there"
            )
        return result

    def docker(self) -> DockerClient:
        """See `Host.docker`; after a cut, a client without dead connections."""
        transport = self.link.transport()
        with self._renewing:
            if self._client is None or self._client[0] is not transport:
                self._client = (transport, self._connected())
            return self._client[1]

    def forget(self) -> None:
        """See `Host.forget`."""
        with self._renewing:
            self._client = None

    def _connected(self) -> DockerClient:
        dial = load_docker_over_ssh()
        from docker.errors import DockerException
        from requests import RequestException

        try:
            return dial.docker_client(self._dial, _TIMEOUT)
        except (DockerException, RequestException, EOFError) as error:
            why = self._why(error)
            remedy = (
                f"see `{self.link.login('docker', 'info')}`; `inv provision` installs an engine"
            )
            if "permission denied" in why:
                group = f"`usermod -aG docker {self.link.user()}` there"
                remedy = f"{group}, or `sudo: true` for the environment in towline.yaml"
            raise NoEngine(
                f"no Docker engine answers on {self.name}: {why}", remedy=remedy
            ) from None

    def reach(self, port: int, address: str = "127.0.0.1") -> tuple[str, int]:
        """See `Host.reach`; the address is a loopback port here."""
        there = (address, port)
        if there not in self._forwards:
            self._forwards[there] = Forward(self.link.transport, port, address)
        return self._forwards[there].address

    def require_reach(self) -> None:
        """See `Host.require_reach`."""
        from paramiko import SSHException

        try:
            is_allowed = allowed(self.link.transport())
        except (SSHException, EOFError, OSError) as error:
            raise self.link.lost(error) from None
        if not is_allowed:
            raise UsageError(
                f"the SSH server of {self.name} forwards no ports, by which health is asked",
                remedy="`AllowTcpForwarding local` in its sshd_config, at least for this user, and "
                "neither `restrict` nor `no-port-forwarding` before the key in authorized_keys",
            )

    def user_id(self) -> int:
        """See `Host.user_id`."""
        return self.facts.uid if self.files.owner is None else self.files.owner

    def is_root(self) -> bool:
        """See `Host.is_root`."""
        return self.facts.uid == 0

    def give_to(self, owner: int) -> None:
        """See `Host.give_to`."""
        self.files.owner = owner

    def port_free(self, address: str, port: int) -> bool:  # noqa: ARG002
        """See `Host.port_free`; a port counts as taken when something listened on it."""
        return port not in self.facts.listening

    def compose_version(self) -> str:
        """See `Host.compose_version`."""
        return self.facts.compose

    def close(self) -> None:
        """Close the connection and all forwarded ports."""
        for forward in self._forwards.values():
            forward.close()
        self._forwards.clear()
        self.link.close()

    def _dial(self) -> Channel:
        return self.link.channel(
            "sudo -n docker system dial-stdio" if self.link.sudo else "docker system dial-stdio"
        )

    def _why(self, error: Exception) -> str:
        """The reason in the words of the client there: the SDK only sees a closed stream."""
        said = self.link.run(["docker", "version", "--format", "{{.Server.Version}}"], timeout=20)
        lines = [line for line in said.err.splitlines() if line.strip()]
        return lines[-1] if lines and not said.ok else str(error)
