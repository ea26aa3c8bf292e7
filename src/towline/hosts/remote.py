"""A host behind SSH: files, commands and Docker engine over one connection."""

from __future__ import annotations

import copy
import logging
import shlex
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Self

from typing_extensions import override

from towline.config.redaction import excerpt
from towline.errors import NoEngine, TowlineError, UsageError
from towline.hosts.address import Address
from towline.hosts.base import Host, Result
from towline.hosts.connection import SshConnection
from towline.hosts.engine_client import translated
from towline.hosts.facts import SCRIPT, HostFacts, understood
from towline.hosts.forward import Forward, allowed
from towline.hosts.once import once
from towline.hosts.sdk import load_docker_over_ssh
from towline.hosts.sftp_files import SftpFiles
from towline.hosts.transfers import TransferStatistics

if TYPE_CHECKING:
    from docker import DockerClient
    from paramiko import Channel, Transport

_LOG = logging.getLogger(__name__)
_TIMEOUT = 120.0


class RemoteHost(Host):
    """A machine behind SSH.

    Args:
        address: Where it is.
        ssh_config: An SSH configuration file to use; empty for the user's own.
        sudo: Whether commands run through `sudo -n`.
        transferred: Counts the commands that are run there.
    """

    def __init__(
        self,
        address: Address,
        *,
        ssh_config: str = "",
        sudo: bool = False,
        transferred: TransferStatistics | None = None,
    ) -> None:
        self.connection = SshConnection(
            address, ssh_config, sudo, TransferStatistics() if transferred is None else transferred
        )
        self._files = SftpFiles(self.connection)
        self._forwards: dict[tuple[str, int], Forward] = {}
        self._client: tuple[Transport, DockerClient] | None = None
        self._renewing = threading.Lock()

    @property
    @override
    def name(self) -> str:
        return self.connection.address.short

    @property
    @override
    def files(self) -> SftpFiles:
        return self._files

    @once
    def facts(self) -> HostFacts:
        """Who we are there and what is installed; asked once.

        Raises:
            TowlineError: When the host cannot be reached or does not answer as a Unix does.
        """
        # Of whoever logs in, also where commands run through sudo: files are theirs.
        answer = self.connection.run(["sh", "-c", SCRIPT], timeout=60, plain=True)
        try:
            return understood(answer.out)
        except ValueError as error:
            said = excerpt(answer.err.strip() or answer.out.strip(), 200)
            raise TowlineError(
                f"{self.name} does not answer as expected: {error}; it said {said!r}",
                remedy=f"see `{self.connection.login('id')}`: its login shell must be one like sh",
            ) from None

    @override
    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        timeout: float = 600.0,
        check_cancelled: Callable[[], None] | None = None,
    ) -> Result:
        started = time.monotonic()
        result = self.connection.run(argv, env=env, timeout=timeout)
        took = time.monotonic() - started
        said = "%s: %s: code %d after %.2f s"
        _LOG.debug(said, self.name, shlex.join(argv), result.code, took)
        if result.code == 127:
            raise UsageError(
                f"{argv[0]} is not installed on {self.name}", remedy=f"install {argv[0]} there"
            )
        return result

    @override
    def docker(self) -> DockerClient:
        """After a cut, a client without dead connections."""
        transport = self.connection.transport()
        with self._renewing:
            if self._client is None or self._client[0] is not transport:
                self._client = (transport, self._connected())
            return self._client[1]

    @override
    def forget(self) -> None:
        with self._renewing:
            self._client = None

    def _connected(self) -> DockerClient:
        dial = load_docker_over_ssh()
        from docker.errors import DockerException
        from requests import RequestException

        try:
            return translated(dial.docker_client(self._dial, _TIMEOUT), self.name)
        except (DockerException, RequestException, EOFError) as error:
            why = self._why(error)
            asked = self.connection.login("docker", "info")
            remedy = f"see `{asked}`; `inv provision` installs an engine"
            if "permission denied" in why:
                group = f"`usermod -aG docker {self.connection.user()}` there"
                remedy = f"{group}, or `sudo: true` for the environment in towline.yaml"
            raise NoEngine(
                f"no Docker engine answers on {self.name}: {why}", remedy=remedy
            ) from None

    @override
    def forward_port(self, port: int, address: str = "127.0.0.1") -> tuple[str, int]:
        """The address is a loopback port here."""
        there = (address, port)
        if there not in self._forwards:
            self._forwards[there] = Forward(self.connection.transport, port, address)
        return self._forwards[there].address

    @override
    def require_reach(self) -> None:
        from paramiko import SSHException

        try:
            is_allowed = allowed(self.connection.transport())
        except (SSHException, EOFError, OSError) as error:
            raise self.connection.lost(error) from None
        if not is_allowed:
            raise UsageError(
                f"TCP forwarding is disabled on {self.name}, and health checks need it",
                remedy="`AllowTcpForwarding local` in its sshd_config, at least for this user, and "
                "neither `restrict` nor `no-port-forwarding` before the key in authorized_keys",
            )

    @override
    def user_id(self) -> int:
        return self.facts.uid if self._files.owner is None else self._files.owner

    @override
    def is_root(self) -> bool:
        return self.facts.uid == 0

    @override
    def owned_by(self, owner: int) -> Self:
        """Both use one connection."""
        other = copy.copy(self)
        other._files = self._files.owned_by(owner)
        return other

    @override
    def port_free(self, address: str, port: int) -> bool:
        """A port counts as taken when something listened on it."""
        return port not in self.facts.listening

    @override
    def compose_version(self) -> str:
        return self.facts.compose

    def close(self) -> None:
        """Close the connection and all forwarded ports."""
        for forward in self._forwards.values():
            forward.close()
        self._forwards.clear()
        self.connection.close()

    def _dial(self) -> Channel:
        return self.connection.channel(
            "sudo -n docker system dial-stdio"
            if self.connection.sudo
            else "docker system dial-stdio"
        )

    def _why(self, error: Exception) -> str:
        """The reason in the words of the client there: the SDK only sees a closed stream."""
        said = self.connection.run(
            ["docker", "version", "--format", "{{.Server.Version}}"], timeout=20
        )
        lines = [line for line in said.err.splitlines() if line.strip()]
        return lines[-1] if lines and not said.ok else str(error)
