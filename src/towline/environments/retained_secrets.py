"""The secrets that retained releases run with, so that they are masked like today's.

A password that was rotated is still in the containers of the release before, and in what these
print; so is the content of a secret file that only that release mounts.
"""

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from towline.config.envfile import parse_env
from towline.config.redaction import KNOWN
from towline.errors import TowlineError
from towline.hosts.base import Files


def learn_retained(
    files: Files,
    releases: Path,
    names: Collection[str],
    secret_files: Callable[[Path], Iterable[Path]],
) -> None:
    """Have the secrets of every retained release masked from now on.

    Where the host is lost, or its state is not ours to read, the message that says so must not
    fail for that: what can be read is learnt.

    Args:
        files: The files of the host.
        releases: Its folder of retained releases.
        names: Variables that are secrets too, whatever they are called.
        secret_files: The files that a retained release in a folder is given as secrets.
    """
    found: list[str] = []
    with suppress(OSError, TowlineError):
        found = files.names(releases)
    known: set[Path] = set()
    for name in found:
        with suppress(OSError, TowlineError):
            KNOWN.learn(frozen_values(files, releases / name), names=names)
        for path in secret_files(releases / name):
            if path not in known:
                known.add(path)
                with suppress(OSError, TowlineError):
                    KNOWN.learn_file(files.read(path).decode("utf-8", "replace"))


def frozen_values(files: Files, folder: Path) -> dict[str, str]:
    """The variables that a retained release runs with; none when its folder holds none."""
    with suppress(FileNotFoundError):
        return parse_env(files.read(folder / "env").decode("utf-8", "replace"))
    return {}
