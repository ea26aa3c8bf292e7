"""Which Python packages differ between two sets of requirements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# A pin of a requirements file: name, extras, `==`, version; options and hashes may follow.
_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*={2,3}\s*(?P<version>[^\s;#\\,]+)"
)


@dataclass(frozen=True)
class Upgrade:
    """A package before and after; an empty version means that it is not there."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        if not self.before:
            return f"+ {self.name} {self.after}"
        if not self.after:
            return f"- {self.name} {self.before}"
        return f"{self.name} {self.before} -> {self.after}"


def pins(text: str) -> dict[str, str]:
    """Package -> version, of the exact pins in a requirements file; names as PEP 503 has them."""
    found = (_PIN.match(line.strip()) for line in text.splitlines())
    return {normalised(match["name"]): match["version"] for match in found if match}


def is_requirements(path: str) -> bool:
    """Whether a file's name says that it holds requirements."""
    if not path.endswith(".txt"):
        return False
    name = path.rpartition("/")[2]
    return name.startswith("requirements")


def normalised(name: str) -> str:
    """A package's name in the form that is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def upgrades(before: Mapping[str, str], after: Mapping[str, str]) -> list[Upgrade]:
    """What turns the packages before into those after, sorted by name."""
    names = sorted({*before, *after})
    pairs = ((name, before.get(name, ""), after.get(name, "")) for name in names)
    return [Upgrade(name, old, new) for name, old, new in pairs if old != new]


def merged(texts: Iterable[str]) -> dict[str, str]:
    """The pins of several files; of a package that two of them pin, the later one counts."""
    found: dict[str, str] = {}
    for text in texts:
        found |= pins(text)
    return found
