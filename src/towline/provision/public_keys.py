"""The operator's public keys, which the user on a host shall accept."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline.errors import UsageError

if TYPE_CHECKING:
    from towline.hosts.address import Address

# Key types that OpenSSH accepts today (ssh-keygen(1), PubkeyAcceptedAlgorithms).
_TYPES = (
    "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com",
)  # fmt: skip


def identity(line: str) -> str:
    """Type and key of a line of authorized_keys, without options and comment; empty for none."""
    words = line.split()
    for word, following in pairwise(words):
        if word in _TYPES:
            return f"{word} {following}"
    return ""


def from_files(paths: Sequence[Path]) -> tuple[str, ...]:
    """The keys in files such as `id_ed25519.pub`.

    Raises:
        UsageError: When a file is missing, or holds something else.
    """
    return tuple(dict.fromkeys(line for path in paths for line in _lines(path)))


def of_operator(addresses: Sequence[Address], ssh_config: str = "") -> tuple[str, ...]:
    """The public keys with which the operator logs in to hosts.

    Those of the identity files that the SSH configuration names for them; else those in ~/.ssh;
    else those that the agent holds.

    Raises:
        UsageError: When there is none.
    """
    named = [path for address in addresses for path in _configured(address.host, ssh_config)]
    usual = sorted((Path.home() / ".ssh").glob("id_*.pub"))
    for paths in (named, usual):
        found = from_files([path for path in dict.fromkeys(paths) if path.is_file()])
        if found:
            return found
    held = _from_agent()
    if not held:
        raise UsageError(
            "no public key of yours was found in ~/.ssh or in the agent",
            remedy="make one with `ssh-keygen -t ed25519`, or name its file: --key FILE.pub",
        )
    return held


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"{path} cannot be read: {why}", remedy="name a file.pub") from None
    if "PRIVATE KEY" in text:
        raise UsageError(f"{path} is a private key; it stays here", remedy=f"name {path}.pub")
    found = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not _is_key(line):
            raise UsageError(f"{path} holds something that is no public key: {line[:40]!r}")
        found.append(" ".join(line.split()))
    return found


def _is_key(line: str) -> bool:
    """Whether a line is type, key and comment, and the key says the same type itself."""
    words = line.split()
    if len(words) < 2 or words[0] not in _TYPES:
        return False
    try:
        data = base64.b64decode(words[1], validate=True)
    except binascii.Error:
        return False
    name = words[0].encode()
    return data.startswith(len(name).to_bytes(4, "big") + name)


def _configured(host: str, ssh_config: str) -> list[Path]:
    from paramiko import SSHConfig

    path = Path(ssh_config).expanduser() if ssh_config else Path.home() / ".ssh" / "config"
    if not path.is_file():
        return []
    found: Any = SSHConfig.from_path(str(path)).lookup(host)
    files = found.get("identityfile", [])
    return [Path(f"{name}.pub").expanduser() for name in files]


def _from_agent() -> tuple[str, ...]:
    from paramiko import Agent, SSHException

    try:
        agent = Agent()
        keys = agent.get_keys()
        agent.close()
    except (SSHException, OSError):
        return ()
    lines = [f"{key.get_name()} {key.get_base64()} {key.comment}".strip() for key in keys]
    return tuple(line for line in lines if _is_key(line))
