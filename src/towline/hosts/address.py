"""Where a host is: `ssh://deploy@10.0.0.5:22`, or a name that the SSH configuration knows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from towline.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


@dataclass(frozen=True)
class Address:
    """The address of a host.

    Attributes:
        host: Name, address, or alias of the SSH configuration.
        user: Who to log in as; empty for what the SSH configuration says.
        port: TCP port; None for what the SSH configuration says.
    """

    host: str
    user: str = ""
    port: int | None = None

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"ssh://{user}{host}" + (f":{self.port}" if self.port else "")

    @property
    def short(self) -> str:
        """How lines of output name the host."""
        return self.host + (f":{self.port}" if self.port else "")

    def login(self, *command: str, user: str = "", ssh_config: str = "") -> str:
        """The `ssh` command that a person would type to get there, with user and port.

        Args:
            *command: What to run there; a shell when empty.
            user: Who to log in as, where the address does not say.
            ssh_config: A configuration file that is not the user's own.
        """
        user = self.user or user
        words = ["ssh", *(["-F", ssh_config] if ssh_config else [])]
        words += ["-p", str(self.port)] if self.port else []
        return shlex.join([*words, f"{user}@{self.host}" if user else self.host, *command])


def parse(text: str) -> Address:
    """Read the address of a host.

    Raises:
        UsageError: When it is something else, or holds a password.
    """
    problem = "is not the address of a host"
    try:
        parts = urlsplit(text if "://" in text else f"ssh://{text}")
        host, port = parts.hostname or "", parts.port
        if parts.password is not None:
            problem = "holds a password"
        elif (
            parts.scheme == "ssh"
            and _NAME.fullmatch(host)
            and not (parts.path.strip("/") or parts.query or parts.fragment)
            and not (parts.username or "").startswith("-")
        ):
            # urlsplit lowers the case, and an alias may have one.
            written = parts.netloc.rpartition("@")[2]
            cased = written if written.lower() == host else _cased(written, host)
            return Address(cased, parts.username or "", port)
    except ValueError:
        pass
    raise UsageError(
        f"{_masked(text)!r} {problem}",
        remedy="write ssh://USER@HOST:PORT, or a name of your SSH configuration; "
        "use keys, not passwords",
    )


def parse_all(texts: Sequence[str], key: str) -> list[Address]:
    """The addresses of several hosts, each of which is named once.

    Args:
        texts: As they are written.
        key: Where they are written, for messages.

    Raises:
        UsageError: When one is named twice, or is no address.
    """
    parsed = [parse(text) for text in texts]
    twice = {str(item) for item in parsed if parsed.count(item) > 1}
    if twice:
        raise UsageError(f"{key} names {min(twice)} twice", remedy="name each host once")
    return parsed


def _cased(written: str, host: str) -> str:
    place = written.lower().find(host)
    return written[place : place + len(host)] if place >= 0 else host


def _masked(text: str) -> str:
    return re.sub(r"^((?:[a-z]+://)?[^:@/]*):.*@", r"\1:***@", text)
