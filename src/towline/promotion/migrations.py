"""Which steps of the schema a release knows: its migration files, by path and content.

A record maps the path of each migration in the deploy tree to its SHA-256. Towline up to 0.6 wrote
file names only; such a record is read as name -> empty digest, and is compared by names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towline.promotion.tree import FileRecord

Migrations = Mapping[str, str]


@dataclass(frozen=True)
class SchemaDifference:
    """What the schema has gone through that a release does not know of.

    Attributes:
        unknown: Migrations that the release does not have.
        changed: Migrations that it has with another content.
        names_only: Whether an older record made it a comparison of file names alone.
    """

    unknown: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    names_only: bool = False

    def __bool__(self) -> bool:
        return bool(self.unknown or self.changed)

    def lines(self) -> list[str]:
        """The migrations for people, each by its path."""
        return [*self.unknown, *(f"{path} (other content)" for path in self.changed)]


def find_migrations(files: Mapping[str, FileRecord], patterns: Sequence[str]) -> dict[str, str]:
    """The files that one of the patterns (gitignore syntax) matches, and their digests."""
    if not patterns:
        return {}
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines(patterns)
    return {path: files[path].sha256 for path in sorted(spec.match_files(files))}


def parse_recorded(value: object) -> object:
    """A record in today's form; what is neither form is returned as it is, to be refused."""
    if isinstance(value, list | tuple) and all(isinstance(name, str) for name in value):
        return dict.fromkeys(value, "")
    return value


def compare_migrations(applied: Migrations, known: Migrations) -> SchemaDifference:
    """What of `applied` a release that knows `known` does not know."""
    changed = tuple(
        path
        for path in sorted(applied.keys() & known.keys())
        if applied[path] and known[path] and applied[path] != known[path]
    )
    names_only = not all([*applied.values(), *known.values()])
    names = {_base(path) for path in known} if names_only else known.keys()
    unknown = [path for path in applied if (_base(path) if names_only else path) not in names]
    return SchemaDifference(tuple(sorted(unknown)), changed, names_only)


def is_same_record(one: Migrations, other: Migrations) -> bool:
    """Whether two records say the same, as far as the older form of one of them tells."""
    if all([*one.values(), *other.values()]):
        return one == other
    return {_base(path) for path in one} == {_base(path) for path in other}


def merge_differences(differences: Iterable[SchemaDifference]) -> SchemaDifference:
    """Several differences to one release as one."""
    found = list(differences)
    return SchemaDifference(
        tuple(sorted({path for item in found for path in item.unknown})),
        tuple(sorted({path for item in found for path in item.changed})),
        any(item.names_only for item in found),
    )


def _base(path: str) -> str:
    return path.rpartition("/")[2]
