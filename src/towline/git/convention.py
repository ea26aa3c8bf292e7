"""Whether a team writes conventional commit messages."""

from __future__ import annotations

from pathlib import Path

from towline.git.commits import parse
from towline.git.repository import open_repository

_LOOKED_AT = "50"


def is_followed(folder: Path) -> bool:
    """Whether most of the latest commits have a conventional message; False without commits.

    Raises:
        UsageError: When Git refuses the folder.
    """
    repository = open_repository(folder)
    if repository is None or not repository.head():
        return False
    words = ("log", "--no-merges", "--max-count", _LOOKED_AT, "--format=%s", "HEAD")
    subjects = repository.ask(*words).splitlines()
    return 2 * sum(parse(subject) is not None for subject in subjects) > len(subjects)
