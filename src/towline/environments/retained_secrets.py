"""The secrets that retained releases run with, so that they are masked like today's.

A password that was rotated is still in the containers of the release before, and in what these
print; so is the content of a secret file that only that release mounts.
"""

import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from towline.config.envfile import parse_env
from towline.config.redaction import KNOWN
from towline.errors import TowlineError
from towline.hosts.base import Files

# Either slot's file has the same secrets.
_MODELS = ("kept.json", "blue.json")


def learn_retained(files: Files, releases: Path, names: Collection[str]) -> None:
    """Have the secrets of every retained release masked from now on.

    Where the host is lost, or its state is not ours to read, the message that says so must not
    fail for that: what can be read is learnt.

    Args:
        files: The files of the host.
        releases: Its folder of retained releases.
        names: Variables that are secrets too, whatever they are called.
    """
    found: list[str] = []
    with suppress(OSError, TowlineError):
        found = files.names(releases)
    known: set[str] = set()
    for name in found:
        with suppress(OSError, TowlineError):
            KNOWN.learn(frozen_values(files, releases / name), names=names)
        for path in _secret_files(files, releases / name):
            if path not in known:
                known.add(path)
                with suppress(OSError, TowlineError):
                    KNOWN.learn_file(files.read(Path(path)).decode("utf-8", "replace"))


def frozen_values(files: Files, folder: Path) -> dict[str, str]:
    """The variables that a retained release runs with; none when its folder holds none."""
    with suppress(FileNotFoundError):
        return parse_env(files.read(folder / "env").decode("utf-8", "replace"))
    return {}


def _secret_files(files: Files, folder: Path) -> Iterator[str]:
    for name in _MODELS:
        model: Any = {}
        with suppress(OSError, TowlineError, ValueError):
            model = json.loads(files.read(folder / name))
        secrets = model.get("secrets") if isinstance(model, dict) else None
        for options in (secrets or {}).values():
            if isinstance(options, dict) and options.get("file"):
                yield str(options["file"])
