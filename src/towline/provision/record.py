"""What was made on a host, noted there in a folder of root: so that only that is removed again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter

from towline.errors import TowlineError

STATE = "/var/lib/towline"
# Root removes what it names, so nobody else may write it: not in STATE, which is the deploy user's.
FOLDER = "/etc/towline"
PATH = f"{FOLDER}/provisioned.json"
# Where it lay up to 0.6.0; believed where root owns the file.
OLD_PATH = f"{STATE}/provisioned.json"
_SCHEMA = 1
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]+")
_DIGEST = re.compile(r"[0-9a-f]{64}")
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


@dataclass(frozen=True)
class Record:
    """What Towline made on a host; a step is noted before it is done.

    Attributes:
        user: Whom the host was prepared for.
        user_made: Whether that user was made.
        group_joined: Whether the user was put into the group docker.
        keys: Lines added to the user's authorized_keys.
        folders: Folders made.
        folder_owner: Who owned the state folder, which was there before, until it was given to
            the user.
        packages: Packages installed, with those that they needed.
        files: Files written, and the SHA-256 of each.
        daemon: Settings put into daemon.json; `log-opts.max-size` for one within another.
        daemon_made: Whether there was no daemon.json before.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    user: str = ""
    user_made: bool = False
    group_joined: bool = False
    keys: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    folder_owner: str = ""
    packages: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    daemon: Mapping[str, Any] = field(default_factory=dict)
    daemon_made: bool = False

    @property
    def made(self) -> bool:
        """Whether there is anything to take away again."""
        return self != Record()

    def with_(self, other: Record) -> Record:
        """Both together."""
        return Record(
            other.user or self.user,
            self.user_made or other.user_made,
            self.group_joined or other.group_joined,
            _joined(self.keys, other.keys),
            _joined(self.folders, other.folders),
            self.folder_owner or other.folder_owner,
            _joined(self.packages, other.packages),
            {**self.files, **other.files},
            {**self.daemon, **other.daemon},
            self.daemon_made or other.daemon_made,
        )

    def dump(self) -> str:
        """As text for its file."""
        return json.dumps({"schema": _SCHEMA, **asdict(self)}, indent=2) + "\n"


def read(text: str) -> Record:
    """A record from its file. It decides what root removes, so nothing odd is let through.

    Raises:
        TowlineError: When it is damaged, or of a later version.
    """
    why = ""
    try:
        data = json.loads(text)
        schema = data.pop("schema")
        record = TypeAdapter(Record).validate_python(data)
        why = "it is of another version" if schema != _SCHEMA else _odd(record)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        why = str(error) or "it is no record"
    if why:
        raise TowlineError(
            f"{PATH} is damaged: {why}",
            remedy="fix it by hand, or remove it: then Towline takes nothing there for its own",
        )
    return record


def _odd(record: Record) -> str:
    """What no run of ours wrote; empty when all may be."""
    odd = [name for name in record.packages if not _PACKAGE.fullmatch(name)]
    odd += [path for path in record.folders if path != STATE]
    odd += [path for path in record.files if not path.startswith("/etc/apt/") or ".." in path]
    odd += [digest for digest in record.files.values() if not _DIGEST.fullmatch(digest)]
    if record.user and (record.user == "root" or not USER.fullmatch(record.user)):
        odd.append(record.user)
    if record.folder_owner and not USER.fullmatch(record.folder_owner):
        odd.append(record.folder_owner)
    return repr(odd[0]) if odd else ""


def _joined(one: tuple[str, ...], two: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *two)))
