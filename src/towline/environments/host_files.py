"""Files of the host: certificates, keys and secrets that are in no commit and in no promotion.

They lie in the operator's deploy tree, ignored by git. What app, worker and job services read
becomes part of the release, so that a rollback brings it back. What backing services and the router
read belongs to the host and is renewed in place (`renewal.py`). What is not here, as in a fresh
clone, stays on the host as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from towline.engines.base import Engine
from towline.engines.bundle import REPLACED, Bundle, Draft
from towline.environments.host_environment import HostEnvironment
from towline.errors import UsageError
from towline.hosts.reading import digest
from towline.promotion.tree import is_host_file, outside_tree
from towline.state.releases import Release

Wanted = Mapping[str, Sequence[Path]]

# At most these permissions; whoever owns such a file can always read and replace it.
_AT_MOST, _AT_LEAST = 0o640, 0o600


@dataclass(frozen=True)
class HostFile:
    """One file of the host.

    Attributes:
        data: Its content.
        mode: Its permissions there.
        services: Who reads it.
        is_here: Whether it comes from this machine, and not from the live release.
    """

    data: bytes = field(repr=False)
    mode: int
    services: tuple[str, ...]
    is_here: bool = True


HostFiles = Mapping[Path, HostFile]


def local(site: HostEnvironment, wanted: Wanted) -> dict[Path, HostFile]:
    """The host files that this machine has of what services mount.

    Raises:
        UsageError: When a symbolic link points outside the deploy tree.
    """
    found: dict[Path, HostFile] = {}
    tree = site.project.deploy_tree.resolve()
    for service, paths in wanted.items():
        for path in (item for mounted in paths for item in _below(tree, mounted)):
            if is_host_file(path.as_posix()):
                before = found[path].services if path in found else ()
                file = tree / path
                mode = file.stat().st_mode & _AT_MOST | _AT_LEAST
                readers = tuple(dict.fromkeys((*before, service)))
                found[path] = HostFile(file.read_bytes(), mode, readers)
    return found


def of_release(
    site: HostEnvironment, wanted: Wanted, serving: Release | None
) -> dict[Path, HostFile]:
    """The host files that a new release gets: those here, and else those of the live release.

    Raises:
        UsageError: When a service needs one that is neither here nor there.
    """
    found = local(site, wanted)
    there = serving.host_files if serving else {}
    for service, paths in wanted.items():
        for mounted in paths:
            for name, record in there.items():
                path = Path(name)
                if serving and path.is_relative_to(mounted) and _is_free(found, path):
                    before = found[path].services if path in found else ()
                    data = site.files.read(serving.tree / path)
                    mode = int(str(record["mode"]), 8)
                    found[path] = HostFile(data, mode, (*before, service), is_here=False)
            if is_host_file(mounted.as_posix()) and not any(
                path.is_relative_to(mounted) for path in found
            ):
                raise UsageError(
                    f"{service} reads {mounted}, which is neither here nor on {site.host.name}",
                    remedy=f"put it to {site.project.deploy_tree / mounted} (chmod 600); it is "
                    "never committed",
                )
    return found


def wanted_by(bundle: Bundle) -> Wanted:
    """What app, worker and job services read from the deploy tree."""
    return bundle.reads(*REPLACED)


def wanted_of(engine: Engine, release: Release) -> Wanted:
    """What app, worker and job services of a retained release read from its tree."""
    return engine.reads(release, *REPLACED)


def digests(files: HostFiles) -> dict[str, str]:
    """Path -> digest: what of them makes a release another one."""
    return {path.as_posix(): digest(file.data) for path, file in sorted(files.items())}


def owner_of(
    site: HostEnvironment, wanted: Release | Bundle | Draft, path: Path, file: HostFile
) -> int:
    """The numeric user that a host file is given to, so that its services can read it.

    Raises:
        UsageError: When one of them could not.
    """
    mine = site.host.user_id()
    readers: dict[int, str] = {}
    for name in file.services:
        user = site.engine.reader(wanted, name)
        if user is not None:
            readers.setdefault(user, name)
    if not readers or set(readers) == {mine}:
        return mine
    # Root can give a file to anybody, also where its own files belong to another user.
    is_root = site.host.is_root()
    if is_root and len(readers) == 1:
        return next(iter(readers))
    if is_root:
        each = " and ".join(f"{name} as user {user}" for user, name in sorted(readers.items()))
        raise UsageError(
            f"{path} is private to one user, and {each} read it on {site.host.name}",
            remedy="run them as one user (`user:` in the compose file), or give each a file",
        )
    user, name = next((user, name) for user, name in readers.items() if user != mine)
    raise UsageError(
        f"{name} runs as user {user} and cannot read {path}, which belongs to user {mine} on "
        f"{site.host.name}",
        remedy=f'give {name} `user: "${{TOWLINE_UID}}:${{TOWLINE_GID}}"` in the compose file, or '
        "deploy as root",
    )


def _is_free(found: HostFiles, path: Path) -> bool:
    return path not in found or not found[path].is_here


def _below(tree: Path, path: Path) -> Iterator[Path]:
    """Files at or below a path of the deploy tree; links in it may only lead to itself."""
    whole = tree / path
    if whole.is_symlink() and not whole.resolve().is_relative_to(tree):
        raise outside_tree(whole)
    if whole.is_file():
        yield path
    elif whole.is_dir():
        for item in sorted(whole.iterdir()):
            if not (item.is_symlink() and item.is_dir()):
                yield from _below(tree, path / item.name)


def own(site: HostEnvironment, release: Release) -> None:
    """Give the keys and secrets of a release to the users of its services.

    Done before each use and not once: who was killed while writing a release has not done it.
    """
    folder = site.files.folder(release.tree)
    for name, record in release.host_files.items():
        entry = folder.entry(Path(name))
        if entry and (entry.owner, entry.mode) != (record["owner"], int(record["mode"], 8)):
            folder.overwrite(
                Path(name), folder.read(Path(name)), int(record["mode"], 8), record["owner"]
            )
