"""Where a repository lives: from the address of a Git remote to pages of its host."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urlsplit

# git@host:owner/repo.git, as scp writes it; a drive letter or a path is none.
_SCP = re.compile(r"(?:[^@/\s]+@)?(?P<host>[A-Za-z0-9.-]{2,}):(?!/)(?P<path>[^\s]+)")
_SCHEMES = ("https", "http", "ssh", "git", "git+ssh", "git+https")
# A password may hold any character but a space; hiding a word too many is the lesser evil.
_CREDENTIALS = re.compile(r"(?<=://)\S+@")
# Other doors of the same house: for SSH on port 443, and the old name.
_ALIASES = {
    "www.github.com": "github.com",
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
}


@dataclass(frozen=True)
class Remote:
    """A repository on a host.

    Attributes:
        host: Name of the host, without a port of SSH.
        path: `owner/repository`, or deeper.
        port: Port of a web address; empty for the usual one.
        scheme: `http` where the remote says so, else `https`.
    """

    host: str
    path: str
    port: str = ""
    scheme: str = "https"

    @property
    def web(self) -> str:
        """Web address of the repository."""
        port = f":{self.port}" if self.port else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{port}/{quote(self.path)}"


def parse(address: str) -> Remote | None:
    """Read the address of a remote; None for a path on this machine.

    Args:
        address: As `git remote get-url` prints it; what it holds of credentials is dropped.
    """
    address = address.strip()
    if "://" in address:
        return _url(address)
    found = _SCP.fullmatch(address)
    return Remote(_host(found["host"]), _tidy(found["path"])) if found else None


def compare_url(web: str, old: str, new: str) -> str:
    """Web address of the difference between two tags or branches.

    Args:
        web: Web address of the repository; empty gives an empty address.
        old: A tag; empty for the page of the new one alone.
        new: A tag, or HEAD.
    """
    if not web:
        return ""
    host = _host_of(web)
    old, new = _quoted(old), _quoted(new)
    if "gitlab" in host:
        return f"{web}/-/compare/{old}...{new}" if old else f"{web}/-/tags/{new}"
    if "bitbucket" in host:
        return f"{web}/branches/compare/{new}%0D{old}" if old else f"{web}/commits/tag/{new}"
    return f"{web}/compare/{old}...{new}" if old else f"{web}/releases/tag/{new}"


@lru_cache
def _host_of(web: str) -> str:
    return (urlsplit(web).hostname or "").lower()


# A changelog compares each tag with the one before and with the one after.
@lru_cache
def _quoted(tag: str) -> str:
    return quote(tag, safe="/+@")


def redacted(text: str) -> str:
    """A text without the credentials of the addresses in it."""
    return _CREDENTIALS.sub("***@", text)


def _url(address: str) -> Remote | None:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    path = _tidy(parts.path)
    if parts.scheme not in _SCHEMES or not host or not path:
        return None
    is_web = parts.scheme in ("http", "https")
    scheme = "http" if parts.scheme == "http" else "https"
    return Remote(_host(host), path, str(port) if is_web and port else "", scheme)


def _host(name: str) -> str:
    return _ALIASES.get(name.lower(), name.lower())


def _tidy(path: str) -> str:
    return path.strip("/").removesuffix(".git").rstrip("/")
