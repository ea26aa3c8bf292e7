"""Strict host keys: an unknown, changed or revoked one is refused, with what to compare and type.

Markers of known_hosts (`sshd(8)`, SSH_KNOWN_HOSTS FILE FORMAT): a key of an `@revoked` line is
refused for every host. Certificates of an `@cert-authority` cannot be checked here; such a line
trusts nothing, and a host that is known by no other is told so.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline.errors import HostKeyRejected, UsageError

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
    from paramiko import HostKeys

    lines = [line for name in files for line in _lines(Path(name).expanduser())]
    markers = {line.split(maxsplit=1)[0] for line in lines if line.startswith("@")}
    revoked = {key.asbytes() for _, key in _entries(lines, "@revoked")}
    known: HostKeys = client.get_host_keys()
    for names, key in _entries(lines, ""):
        for name in names:
            # Of several keys of a kind the first one counts, as when Paramiko reads the file.
            if key.asbytes() not in revoked and key.get_name() not in (known.lookup(name) or {}):
                known.add(name, key.get_name(), key)
    first = files[0] if files else DEFAULT_FILES[0]
    policy: Any = _Refuse(first, revoked, has_authority="@cert-authority" in markers)
    client.set_missing_host_key_policy(policy)


def _lines(path: Path) -> list[str]:
    try:
        # Comments may be in any encoding.
        text = path.read_text(errors="replace") if path.is_file() else ""
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    return [line.strip() for line in text.splitlines()]


def _entries(lines: Iterable[str], marker: str) -> Iterator[tuple[list[str], PKey]]:
    """Names and key of the lines with a marker; what is no such line is skipped, as ssh does."""
    from paramiko import SSHException
    from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

    for line in lines:
        found, rest = (*line.split(maxsplit=1), "")[:2] if line.startswith("@") else ("", line)
        if found != marker or not rest or rest.startswith("#"):
            continue
        try:
            entry = HostKeyEntry.from_line(rest)
        except (SSHException, InvalidHostKey, ValueError):
            continue
        if entry is not None and entry.hostnames and entry.key is not None:
            yield list(entry.hostnames), entry.key


def changed(hostname: str, got: PKey, expected: PKey) -> HostKeyRejected:
    """What to say when a host shows another key than it used to."""
    host, port = _parts(hostname)
    return HostKeyRejected(
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

    def __init__(self, file: str, revoked: set[bytes], *, has_authority: bool) -> None:
        self.file = file
        self.revoked = revoked
        self.has_authority = has_authority

    def missing_host_key(self, _client: Any, hostname: str, key: PKey) -> None:
        host, port = _parts(hostname)
        if key.asbytes() in self.revoked:
            raise HostKeyRejected(
                f"the host key of {host}:{port} was revoked: it shows {_shown(key)}; nothing was "
                "sent to it",
                remedy="known_hosts revokes it (@revoked): give the host a new key; if it has one, "
                "someone may be listening in",
            )
        hint = " (certificates of a @cert-authority are not supported)" * self.has_authority
        raise HostKeyRejected(
            f"the host key of {host}:{port} is not known: it shows {_shown(key)}{hint}",
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
