"""Make an environment's file from the committed example, with new random secrets.

A value of the example is taken as it stands, but for three kinds:

- a variable whose name says that it is a secret: a new random one is put in. The last word of
  the name counts where the example is no placeholder, so `TOKEN_EXPIRE_MINUTES=30` stays;
- a value that names other variables in braces, `redis://:{REDIS_PASSWORD}@redis:6379/0`: they are
  filled in, percent-encoded left of an `@`, because env files must not use `$`;
- an empty secret, such as somebody else's API key, or a placeholder for something that is no
  secret, such as a domain: nobody can invent it, so it is reported.
"""

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from towline.config.envfile import read_env, write_env
from towline.config.secrets import is_secret_name, placeholder
from towline.errors import UsageError

_REFERENCE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_BYTES = 24


@dataclass(frozen=True)
class Filled:
    """What was written: names only."""

    target: Path
    added: tuple[str, ...]
    random: tuple[str, ...]
    to_fill: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        """What people should know."""
        if not self.added:
            yield f"{self.target} has every variable: nothing to do"
        else:
            new = f"{len(self.random)} of them new secrets"
            yield f"{self.target}: {len(self.added)} variables added, {new}"
        if self.to_fill:
            yield f"fill in by hand: {', '.join(self.to_fill)}"


def fill(example: Path, target: Path) -> Filled:
    """Add the example's variables that `target` does not have; what it has is kept.

    Raises:
        UsageError: When there is no example.
    """
    if not example.is_file():
        raise UsageError(
            f"{example} does not exist", remedy="list the deployment's variables there, one a line"
        )
    shown = read_env(example, {})
    values = read_env(target, {}) if target.is_file() else {}
    missing = [name for name in shown if name not in values]
    random = [name for name in missing if shown[name] and _to_invent(name, shown)]
    for name in missing:
        values[name] = secrets.token_urlsafe(_BYTES) if name in random else shown[name]
    for name in missing:
        values[name] = _expanded(values[name], values)
    if missing:
        _append(target, {name: values[name] for name in missing})
    to_fill = (name for name in shown if _is_left(name, shown[name], values[name]))
    return Filled(target, tuple(missing), tuple(random), tuple(to_fill))


def _to_invent(name: str, shown: Mapping[str, str]) -> bool:
    if any(match in shown for match in _REFERENCE.findall(shown[name])):
        return False
    return is_secret_name(name)


def _is_left(name: str, shown: str, value: str) -> bool:
    """Whether a person has to put in a value."""
    return placeholder(value) and (bool(shown) or is_secret_name(name))


def _expanded(value: str, values: Mapping[str, str]) -> str:
    at = value.rfind("@")

    def put(match: re.Match[str]) -> str:
        found = values.get(match[1])
        if found is None:
            return match[0]
        return quote(found, safe="") if match.start() < at else found

    return _REFERENCE.sub(put, value)


def _append(target: Path, values: Mapping[str, str]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(target, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "a+", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.seek(0)
        before = file.read()
        file.write("\n" if before and not before.endswith("\n") else "")
        for name, value in values.items():
            plain = _PLAIN.fullmatch(value)
            file.write(f"{name}={value}\n" if plain else write_env({name: value}))
