"""Production requirements, locked with hashes by uv (https://docs.astral.sh/uv/pip/compile/).

Locking asks a package index, so it is done again only when the requirements changed: the first
line of the lock names the digest of what it was made from.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from towline.config.loading import FILE, Project
from towline.errors import TowlineError, UsageError

_TAIL = 15
_SECONDS = 300
_INCLUDED = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[\s=]+(\S+)", re.MULTILINE)
_LOWEST = re.compile(r">=\s*(\d+\.\d+)")
# Where pip is told to look for packages, uv is to look too; its own settings win.
_PIP_SETTINGS = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
    "cert": ("SSL_CERT_FILE",),
}


def lock(project: Project, present: bytes | None, *, relock: bool = False) -> bytes | None:
    """The locked requirements of a project; None when none are to be locked.

    Args:
        project: The project; `promote.requirements` names the file.
        present: The lock that there is.
        relock: Make it anew, though the requirements did not change.

    Raises:
        UsageError: When the file does not exist, or uv is not installed.
        TowlineError: When uv cannot lock them.
    """
    name = project.settings.promote.requirements
    if not name:
        return None
    source = project.source_tree / name
    if not source.is_file():
        raise UsageError(
            f"{source} does not exist, and promote.requirements names it",
            remedy=f"create it, or fix promote.requirements in {FILE}",
        )
    first = f"# Written by `inv promote` from {name}, sha256 {_digest(source)}\n".encode()
    if present is not None and present.startswith(first) and not relock:
        return present
    return first + _compile(source).encode()


def _digest(source: Path) -> str:
    digest = hashlib.sha256()
    for path in _with_included(source, set()):
        digest.update(path.read_bytes() + b"\0")
    digest.update(_python(source).encode())
    return digest.hexdigest()


def _with_included(source: Path, seen: set[Path]) -> Iterator[Path]:
    """A requirements file and those that it includes, each once."""
    path = source.resolve()
    if path in seen or not path.is_file():
        return
    seen.add(path)
    yield path
    if path.suffix in (".txt", ".in"):
        for name in _INCLUDED.findall(path.read_text("utf-8", "replace")):
            yield from _with_included(path.parent / name, seen)


def _python(source: Path) -> str:
    """The lowest Python that the project runs on, such as `3.11`; empty when nothing tells."""
    path = source if source.suffix == ".toml" else source.parent / "pyproject.toml"
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return ""
    found = _LOWEST.search(str(data.get("project", {}).get("requires-python", "")))
    return found[1] if found else ""


def _compile(source: Path) -> str:
    # Nothing of this machine may stand in the result: no paths, no addresses of an index.
    command = [_uv(), "pip", "compile", "--quiet", "--universal", "--generate-hashes",
               "--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links",
               "--color", "never"]  # fmt: skip
    python = _python(source)
    command += ["--python-version", python] if python else []
    try:
        done = subprocess.run(
            [*command, source.name],
            cwd=source.parent,
            env={**_pip_settings(), **os.environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TowlineError(
            f"locking {source} took longer than {_SECONDS} s", remedy="check the network"
        ) from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise TowlineError(
            f"the requirements in {source} cannot be locked; nothing was changed",
            details=lines[-_TAIL:],
            remedy="fix what uv says; without a network, promote where there is one",
        )
    return done.stdout


def _uv() -> str:
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found:
        return found
    raise UsageError(
        "promote.requirements needs uv, which is not installed", remedy="pip install uv"
    )


def _pip_settings() -> dict[str, str]:
    """What pip is configured with, in uv's variables."""
    found = {}
    for name, variables in _PIP_SETTINGS.items():
        if any(os.environ.get(variable) for variable in variables):
            continue
        value = os.environ.get(f"PIP_{name.upper().replace('-', '_')}") or _configured(name)
        if value:
            found[variables[0]] = " ".join(value.split())
    # pip takes the best version of all its indexes, so whoever puts a package of our name on a
    # public one is installed; uv stays with the first index that knows a name, extra ones first.
    return found


def _configured(name: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", f"global.{name}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else ""
