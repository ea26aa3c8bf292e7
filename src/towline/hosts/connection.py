"""The one SSH connection to a host: opened by Fabric, kept, and shared by everything."""

from __future__ import annotations

import logging
import shlex
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline.errors import (
    AuthenticationFailed,
    ConnectionLost,
    HostUnreachable,
    TowlineError,
    UsageError,
)
from towline.hosts.address import Address
from towline.hosts.base import Result
from towline.hosts.host_keys import DEFAULT_FILES, be_strict, changed
from towline.hosts.transfers import TransferStatistics

if TYPE_CHECKING:
    from fabric import Connection
    from paramiko import Channel, SFTPClient, Transport

CONNECT_SECONDS = 10
_KEEPALIVE_SECONDS = 5
_SILENCE_SECONDS = 15
_ANSWER_SECONDS = 120.0
_CHUNK = 1 << 16
# Reads variables from standard input, where no list of processes shows them.
_WITH_ENVIRONMENT = 'eval "$(cat)"; exec "$@"'

# `printf %b` is POSIX's; what it prints ends in a quote or a word, never in a line break.
_UNESCAPED = 'eval "exec $(printf %b "$1")"'

# What Paramiko logs becomes an error of ours where it matters; without a handler, Python prints it.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass
class SshConnection:
    """A connection that opens itself at first use, and again when it was cut.

    Attributes:
        address: Where the host is.
        ssh_config: An SSH configuration file to use; empty for the user's own.
        sudo: Run commands and the engine's client through `sudo -n`.
        transferred: Counts the commands that were run.
    """

    address: Address
    ssh_config: str = ""
    sudo: bool = False
    transferred: TransferStatistics = field(default_factory=TransferStatistics)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _connection: Connection | None = field(default=None, repr=False)
    _sftp: SFTPClient | None = field(default=None, repr=False)

    def user(self) -> str:
        """Who logs in, as the address and the SSH configuration say."""
        return str(self._prepared().user)

    def transport(self) -> Transport:
        """The SSH transport; channels of any kind are opened on it.

        Raises:
            HostKeyRejected: When the host key is not trusted.
            AuthenticationFailed: When no key of ours is accepted.
            HostUnreachable: When the host cannot be reached.
        """
        with self._lock:
            return self._open()

    def sftp(self) -> SFTPClient:
        """The file transfer channel; there is one."""
        with self._lock:
            transport = self._open()
            if self._sftp is None:
                from paramiko import SFTPClient

                self._sftp = SFTPClient.from_transport(transport)
                channel = self._sftp.get_channel() if self._sftp else None
                if channel is not None:
                    channel.settimeout(_ANSWER_SECONDS)
            assert self._sftp is not None  # noqa: S101 - a transport that is open gives one
            return self._sftp

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout: float = 600.0,
        plain: bool = False,
    ) -> Result:
        """Run a command to its end.

        Args:
            argv: Program and arguments; quoted here and nowhere else.
            env: Variables; they travel through standard input, never in the command.
            stdin: What the command reads, when there are no variables.
            timeout: Seconds.
            plain: Run it as whoever logs in, even where others run through sudo.

        Raises:
            TowlineError: When it does not end in time.
            ConnectionLost: When the connection breaks meanwhile.
        """
        words = [*(["sudo", "-n"] if self.sudo and not plain else []), *argv]
        if env:
            words = ["sh", "-c", _WITH_ENVIRONMENT, "towline", *words]
            stdin = exports(env)
        self.transferred.commands += 1
        try:
            channel = self.channel(quoted(words))
            return _finish(channel, tuple(argv), stdin, timeout)
        except TimeoutError:
            raise TowlineError(
                f"{argv[0]} on {self.address.short} did not end within {timeout:.0f} s"
            ) from None
        except (EOFError, OSError) as error:
            raise self.lost(error) from None

    def channel(self, command: str) -> Channel:
        """A channel that runs a command, for whoever speaks with it."""
        from paramiko import SSHException

        try:
            channel = self.transport().open_session(timeout=CONNECT_SECONDS)
            channel.exec_command(command)
        except (SSHException, EOFError, OSError) as error:
            raise self.lost(error) from None
        return channel

    def lost(self, error: Exception) -> ConnectionLost:
        """What to say when the connection broke."""
        why = str(error) or type(error).__name__
        return ConnectionLost(
            f"the connection to {self.address.short} was lost: {why}",
            remedy="run the command again: it starts from what serves there",
        )

    def login(self, *command: str, user: str = "") -> str:
        """The `ssh` command that a person would type to get there."""
        return self.address.login(*command, user=user, ssh_config=self.ssh_config)

    def close(self) -> None:
        """Close the connection, and those that it jumps by; the next use opens others."""
        with self._lock:
            if self._connection is not None:
                _close(self._connection)
            self._connection = self._sftp = None

    def _open(self) -> Transport:
        connection = self._connection
        if connection is not None and connection.transport is not None:
            transport: Transport = connection.transport
            if transport.is_active():
                return transport
        self._connection = self._sftp = None
        connection = self._prepared()
        try:
            self._connect(connection)
        except BaseException:
            _close(connection)
            raise
        self._connection = connection
        opened: Transport = connection.transport
        threading.Thread(target=_watch, args=(opened,), daemon=True).start()
        return opened

    def _connect(self, connection: Connection) -> None:
        from paramiko import SSHException
        from paramiko.ssh_exception import (
            AuthenticationException,
            BadHostKeyException,
            NoValidConnectionsError,
            PasswordRequiredException,
        )

        where = self.address.short
        try:
            connection.open()
        except BadHostKeyException as error:
            raise changed(error.hostname, error.key, error.expected_key) from None
        except (AuthenticationException, PasswordRequiredException) as error:
            raise AuthenticationFailed(
                f"{connection.user}@{where}: SSH authentication failed ({error})",
                remedy=f"try `{self.login(user=connection.user)}`; an encrypted key needs "
                "ssh-agent: ssh-add",
            ) from None
        except (NoValidConnectionsError, socket.gaierror, TimeoutError, OSError) as error:
            raise HostUnreachable(
                f"{where} cannot be reached: {_reason(error)}",
                remedy=f"try `{self.login()}`; see `hosts` in towline.yaml",
            ) from None
        except SSHException as error:
            # Paramiko's words for a server that says nothing.
            silent = "No existing session" in str(error) or "banner" in str(error)
            why = f"no answer within {CONNECT_SECONDS} s" if silent else str(error)
            raise HostUnreachable(
                f"{where} cannot be reached: {why}", remedy=f"try `{self.login()}`"
            ) from None

    def _prepared(self) -> Connection:
        from fabric import Config, Connection

        options: dict[str, Any] = {}
        if self.ssh_config:
            path = Path(self.ssh_config).expanduser()
            if not path.is_file():
                raise UsageError(f"the SSH configuration {path} does not exist")
            options["runtime_ssh_path"] = str(path)
        connection = Connection(
            self.address.host,
            user=self.address.user or None,
            port=self.address.port,
            config=Config(**options),
            connect_timeout=CONNECT_SECONDS,
        )
        # Each hop shows a key of its own.
        hop: Any = connection
        while isinstance(hop, Connection):
            files = hop.ssh_config.get("userknownhostsfile", "").split() or list(DEFAULT_FILES)
            be_strict(hop.client, files)
            hop = hop.gateway
        return connection


def quoted(words: Sequence[str]) -> str:
    """A command for whatever login shell a host has.

    The C shell takes no line break between quotes, so what holds one travels with it escaped.
    """
    command = shlex.join(words)
    if "\n" not in command:
        return command
    escaped = command.replace("\\", "\\\\").replace("\n", "\\n")
    return shlex.join(["sh", "-c", _UNESCAPED, "towline", escaped])


def exports(env: Mapping[str, str]) -> bytes:
    """Shell commands that set variables, quoted."""
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in env.items())
    return "".join(lines).encode()


def _close(connection: Connection) -> None:
    """Close a connection; Fabric leaves those open that it jumps by."""
    hop: Any = connection
    # A command as a proxy is no connection.
    while hop is not None and hasattr(hop, "gateway"):
        hop.close()
        hop = hop.gateway


def _watch(transport: Transport) -> None:
    """Ask the server now and then whether it is there; close the connection when it is not.

    Without that, whoever waits for an answer waits for as long as the command may take.
    """
    while transport.is_active():
        answered = threading.Event()
        threading.Thread(target=_ask, args=(transport, answered), daemon=True).start()
        if not answered.wait(_SILENCE_SECONDS):
            transport.close()
            return
        time.sleep(_KEEPALIVE_SECONDS)


def _ask(transport: Transport, answered: threading.Event) -> None:
    from paramiko import SSHException

    try:
        # Any answer will do; OpenSSH says that it does not know the request.
        transport.global_request("keepalive@openssh.com", wait=True)
    except (SSHException, EOFError, OSError):
        return
    answered.set()


def _finish(channel: Channel, argv: tuple[str, ...], stdin: bytes, timeout: float) -> Result:
    channel.settimeout(timeout)
    reader = _Reader(channel)
    try:
        if stdin:
            channel.sendall(stdin)
        channel.shutdown_write()
        out = bytearray()
        while chunk := channel.recv(_CHUNK):
            out += chunk
        reader.join(timeout)
        if not channel.status_event.wait(timeout):
            raise TimeoutError
        code = channel.recv_exit_status()
        if code < 0:
            raise EOFError("it ended without a status")
        return Result(argv, code, out.decode(errors="replace"), reader.text())
    finally:
        channel.close()


class _Reader(threading.Thread):
    """Reads standard error beside standard output, so that neither fills the window."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(daemon=True)
        self._channel = channel
        self._found = bytearray()
        self.start()

    def run(self) -> None:
        try:
            while chunk := self._channel.recv_stderr(_CHUNK):
                self._found += chunk
        except (OSError, EOFError):
            return

    def text(self) -> str:
        return self._found.decode(errors="replace")


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {CONNECT_SECONDS} s"
    return str(getattr(error, "strerror", "") or error)
