"""Keys of the lab: one that logs in, one of each host, and the files that trust them."""

from __future__ import annotations

import os
from pathlib import Path

USER = "deploy"


def key_pair(path: Path) -> str:
    """Make an Ed25519 key for OpenSSH, unless it is there; returns the public line."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = path.with_name(f"{path.name}.pub")
    if not path.exists() or not public.exists():
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
        line = key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        )
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(private)
        public.write_bytes(line + b"\n")
    return public.read_text().strip()


def known_hosts(ports: dict[int, str]) -> str:
    """The file that trusts hosts by their loopback ports: port -> public line."""
    return "".join(f"[127.0.0.1]:{port} {line}\n" for port, line in sorted(ports.items()))


def ssh_config(folder: Path, names: dict[str, int]) -> str:
    """The file that names the hosts: name -> port."""
    blocks = [
        f"Host {name}\n"
        "  HostName 127.0.0.1\n"
        f"  Port {port}\n"
        f"  User {USER}\n"
        f"  IdentityFile {folder / 'id_ed25519'}\n"
        "  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder / 'known_hosts'}\n"
        for name, port in names.items()
    ]
    return "\n".join(blocks)
