"""Strict host keys: an unknown or a changed one is refused, with what to compare and to type."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline.errors import UsageError

if TYPE_CHECKING:
    from paramiko import PKey, SSHClient

DEFAULT_FILES = ("~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")


def be_strict(client: SSHClient, files: list[str]) -> None:
    """Let a client trust the keys in these files and no others.

    Args:
        client: A client that is not connected yet.
        files: Paths of known_hosts files; those that do not exist are skipped.

    Raises:
        UsageError: When a file cannot be read.
    """
    for name in files:
        path = Path(name).expanduser()
        if not path.is_file():
            continue
        try:
            # Not load_host_keys: a client would write what it learns into that file.
            client.load_system_host_keys(str(path))
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    policy: Any = _Refuse(files[0] if files else DEFAULT_FILES[0])
    client.set_missing_host_key_policy(policy)


def changed(hostname: str, got: PKey, expected: PKey) -> UsageError:
    """What to say when a host shows another key than it used to."""
    host, port = _parts(hostname)
    return UsageError(
        f"the host key of {host}:{port} has changed: known is {_shown(expected)}, "
        f"the host shows {_shown(got)}; nothing was sent to it",
        remedy="if the host was set up anew, forget its old key and accept the new one: "
        f"ssh-keygen -R '{hostname}' && {_scan(host, port, got, DEFAULT_FILES[0])}; "
        "if not, someone may be listening in",
    )


def fingerprint(key: PKey) -> str:
    """As `ssh-keygen -l` prints it: `SHA256:…`."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


class _Refuse:
    """Paramiko's policy for a key that no file knows."""

    def __init__(self, file: str) -> None:
        self.file = file

    def missing_host_key(self, _client: Any, hostname: str, key: PKey) -> None:
        host, port = _parts(hostname)
        raise UsageError(
            f"the host key of {host}:{port} is not known: it shows {_shown(key)}",
            remedy="compare that with the host's own (ssh-keygen -lf "
            f"/etc/ssh/ssh_host_{_kind(key)}_key.pub there); if they are the same: "
            + _scan(host, port, key, self.file),
        )


def _scan(host: str, port: str, key: PKey, file: str) -> str:
    return f"ssh-keyscan -p {port} -t {_kind(key)} {host} >> {file}"


def _shown(key: PKey) -> str:
    return f"{_kind(key).upper()} {fingerprint(key)}"


def _kind(key: PKey) -> str:
    name = key.get_name().removeprefix("ssh-")
    return "ecdsa" if name.startswith("ecdsa") else name


def _parts(hostname: str) -> tuple[str, str]:
    """Host and port of Paramiko's name for them: `host`, or `[host]:2222`."""
    if hostname.startswith("["):
        host, _, port = hostname[1:].partition("]:")
        return host, port
    return hostname, "22"
