"""Which files of the source tree a promotion copies, and where to."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path

from towline.config.loading import FILE, Project
from towline.errors import UsageError
from towline.release.repository import Repository
from towline.release.tree import MANIFEST_FILE, counts, walk_all, within


def copy_mapping(project: Project) -> dict[str, str]:
    """`promote.copy` turned round, tidy: path in the deploy tree -> path in the source tree.

    Raises:
        UsageError: When a path leaves its tree, does not exist in the source tree, or when two
            places in the deploy tree lie in each other.
    """
    mapping: dict[str, str] = {}
    for source, target in project.settings.promote.copy_.items():
        tidy_source, tidy_target = _tidy(source), _tidy(target)
        _check_target(project, target, tidy_target)
        if not os.path.lexists(project.source_tree / tidy_source):
            raise UsageError(
                f"{project.source_tree / source} does not exist, and promote.copy names it",
                remedy=f"create it, or mend promote.copy in {FILE}",
            )
        for other in mapping:
            if within(other, (tidy_target,)) or within(tidy_target, (other,)):
                raise UsageError(
                    f"promote.copy: {other} and {tidy_target} lie in each other",
                    remedy=f"give each its own place, in {FILE}",
                )
        mapping[tidy_target] = tidy_source
    return mapping


def select(
    project: Project, mapping: dict[str, str], repository: Repository | None
) -> dict[str, Path]:
    """The files to copy: path in the deploy tree -> file in the source tree.

    In a Git repository these are the files that Git tracks or would track; elsewhere all of them.
    `promote.exclude` is left behind, and so are `.env` files, caches and the deploy tree itself,
    whatever it says.

    Raises:
        UsageError: When nothing is left to copy of an entry, or a symbolic link leads out of the
            deploy tree.
    """
    from pathspec import GitIgnoreSpec

    tree = project.source_tree
    excluded = GitIgnoreSpec.from_lines(project.settings.promote.exclude)
    names = [name for name in _names(project, repository) if not excluded.match_file(name)]
    chosen: dict[str, Path] = {}
    for target, source in mapping.items():
        before = len(chosen)
        for name in names:
            path = _moved(name, source, target)
            if path is not None and counts(path):
                chosen[path] = tree / name
                _check_link(tree / name, path)
        if len(chosen) == before:
            raise UsageError(
                f"{tree / source} holds no file to promote",
                remedy=f"look into promote.exclude in {FILE}, and into .gitignore",
            )
    return dict(sorted(chosen.items()))


def _names(project: Project, repository: Repository | None) -> Iterator[str]:
    """Paths in the source tree that may be copied, but for the deploy tree's own."""
    tree, own = project.source_tree, project.deploy_tree
    inside = own.relative_to(tree).as_posix() if own.is_relative_to(tree) else None
    listed = repository.files(tree) if repository else walk_all(tree)
    for name in listed:
        if inside is not None and within(name, (inside,)):
            continue
        path = tree / name
        if path.is_dir() and not path.is_symlink():
            # Git names a submodule or a nested repository by its folder.
            yield from walk_all(tree, name.rstrip("/"))
        elif os.path.lexists(path):
            yield name


def _moved(name: str, source: str, target: str) -> str | None:
    """Where an entry of the mapping puts a file of the source tree; None when it does not."""
    if not source:
        return f"{target}/{name}"
    if name == source:
        return target
    return f"{target}{name[len(source) :]}" if name.startswith(f"{source}/") else None


def _tidy(path: str) -> str:
    """Without `./`, doubled and closing slashes; the tree itself is the empty text.

    Raises:
        UsageError: When the path leads out of its tree.
    """
    tidy = posixpath.normpath(path or ".")
    if tidy.startswith(("/", "../")) or tidy == "..":
        raise UsageError(
            f"promote.copy: {path!r} leads out of its tree",
            remedy=f"write a path relative to the tree, in {FILE}",
        )
    return "" if tidy == "." else tidy


def _check_target(project: Project, written: str, target: str) -> None:
    if not target or target == MANIFEST_FILE:
        raise UsageError(
            f"promote.copy: {written!r} cannot be replaced by a promotion",
            remedy=f"name a folder or file of its own below {project.settings.deploy}/, in {FILE}",
        )
    if not counts(target) or not counts(f"{target}/file"):
        raise UsageError(
            f"promote.copy: {written!r} belongs to the host, not to a release",
            remedy=f"copy to another place, in {FILE}",
        )


def _check_link(source: Path, path: str) -> None:
    """The deploy tree must be self-contained: links in it stay in it."""
    if not source.is_symlink():
        return
    target = os.readlink(source)  # noqa: PTH115 - Path would tidy the target up
    end = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if end.startswith(("/", "../")) or end == "..":
        raise UsageError(
            f"{source} is a link to {target}, which leads out of the deploy tree",
            remedy="replace it by the file itself, or name it in promote.exclude",
        )
