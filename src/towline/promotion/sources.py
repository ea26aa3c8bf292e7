"""Which files of the source tree a promotion copies, and where to."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from towline.config.loading import FILE, Project
from towline.errors import UsageError
from towline.git.repository import Repository
from towline.promotion.tree import MANIFEST_FILE, counts, walk_all, within


def copy_mapping(project: Project) -> dict[str, str]:
    """`promote.copy` turned round, tidy: path in the deploy tree -> path in the source tree.

    Raises:
        UsageError: When a path leaves its tree, does not exist in the source tree, or when two
            places in the deploy tree overlap.
    """
    mapping: dict[str, str] = {}
    for source, target in project.settings.promote.copy_.items():
        tidy_source, tidy_target = _tidy(source), _tidy(target)
        _check_target(project, target, tidy_target)
        if not os.path.lexists(project.source_tree / tidy_source):
            raise UsageError(
                f"{project.source_tree / source} does not exist, and promote.copy names it",
                remedy=f"create it, or fix promote.copy in {FILE}",
            )
        for other in mapping:
            if within(other, (tidy_target,)) or within(tidy_target, (other,)):
                raise UsageError(
                    f"promote.copy: {other} and {tidy_target} overlap",
                    remedy=f"give each its own place, in {FILE}",
                )
        mapping[tidy_target] = tidy_source
    return mapping


def select(
    project: Project, mapping: dict[str, str], repository: Repository | None
) -> dict[str, str]:
    """The files to copy: path in the deploy tree -> absolute path of the file, as text.

    In a Git repository these are the files that Git tracks or would track; elsewhere all of them.
    What `promote.include` does not match, if it is given, or `promote.exclude` does is left behind,
    and so are `.env` files, caches and the deploy tree itself, whatever they say.

    Raises:
        UsageError: When nothing is left to copy of an entry, or a symbolic link points outside the
            deploy tree.
    """
    names = _wanted(project, _names(project, repository))
    tree = os.fspath(project.source_tree)
    chosen: dict[str, str] = {}
    for target, source in mapping.items():
        before = len(chosen)
        for name, is_link in names.items():
            path = _moved(name, source, target)
            if path is not None and counts(path):
                chosen[path] = f"{tree}/{name}"
                if is_link:
                    _check_link(project.source_tree / name, path, project.source_tree)
        if len(chosen) == before:
            raise UsageError(
                f"{project.source_tree / source} holds no file to promote",
                remedy=f"look into promote.include and exclude in {FILE}, and into .gitignore",
            )
    return dict(sorted(chosen.items()))


def _wanted(project: Project, names: Mapping[str, bool]) -> Mapping[str, bool]:
    """Those of the names that the patterns of the configuration choose."""
    settings = project.settings.promote
    excluded = matching(settings.exclude, names)
    kept = {name: is_link for name, is_link in names.items() if name not in excluded}
    if not settings.include:
        return kept
    included = matching(settings.include, kept)
    return {name: is_link for name, is_link in kept.items() if name in included}


def matching(patterns: Sequence[str], names: Iterable[str]) -> set[str]:
    """Those of the names that patterns in the syntax of gitignore choose.

    One expression of all patterns finds the few names that any of them could choose; of these the
    patterns decide in their order, with what they except.

    Args:
        patterns: As they stand in the configuration.
        names: Paths with `/`, relative to where a `.gitignore` would be.
    """
    from pathspec import GitIgnoreSpec

    spec = GitIgnoreSpec.from_lines(patterns)
    texts = [each.regex.pattern for each in spec.patterns if each.include and each.regex]
    if not texts:
        return set()
    # A group of one name cannot be there twice; it only tells the library what matched.
    texts = [f"(?:{re.sub(r'[(][?]P<[a-z_]+>', '(?:', text)})" for text in texts]
    find = re.compile("|".join(texts)).search
    return set(spec.match_files(name for name in names if find(name)))


def _names(project: Project, repository: Repository | None) -> dict[str, bool]:
    """Paths in the source tree that may be copied, and whether each is a symbolic link.

    The deploy tree's own are left out, and so is what Git knows but is not there any more.
    """
    tree, own = project.source_tree, project.deploy_tree
    inside = (own.relative_to(tree).as_posix(),) if own.is_relative_to(tree) else ()
    listed = repository.files(tree) if repository else walk_all(tree)
    kinds = _Kinds(tree)
    names: dict[str, bool] = {}
    for name in listed:
        if inside and within(name, inside):
            continue
        kind = kinds.of(name.rstrip("/"))
        if kind == _FOLDER:
            # Git names a submodule or a nested repository by its folder.
            nested = walk_all(tree, name.rstrip("/"))
            names |= {path: kinds.of(path) == _LINK for path in nested}
        elif kind:
            names[name] = kind == _LINK
    return names


_FILE, _LINK, _FOLDER = "file", "link", "folder"


class _Kinds:
    """What lies at paths of a tree: each folder is listed once, instead of asking for each file."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._folders: dict[str, dict[str, str]] = {}

    def of(self, path: str) -> str:
        """`file`, which may be something special too, `link`, `folder`, or nothing."""
        folder, _, name = path.rpartition("/")
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = dict(self._list(folder))
        return known.get(name, "")

    def _list(self, folder: str) -> Iterator[tuple[str, str]]:
        try:
            with os.scandir(self._tree / folder) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        yield entry.name, _LINK
                    else:
                        yield entry.name, _FOLDER if entry.is_dir() else _FILE
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise UsageError(f"{self._tree / folder} cannot be read: {error.strerror}") from None


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
        UsageError: When the path is outside the tree.
    """
    tidy = posixpath.normpath(path or ".")
    if tidy.startswith(("/", "../")) or tidy == "..":
        raise UsageError(
            f"promote.copy: {path!r} is outside the tree",
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


def _check_link(source: Path, path: str, tree: Path) -> None:
    """The deploy tree must be self-contained: links in it stay in it."""
    target = os.readlink(source)  # noqa: PTH115 - Path would tidy the target up
    end = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    # Its words may lead through another link, which is elsewhere than they say.
    root = tree.resolve()
    leaves = end.startswith(("/", "../")) or end == ".."
    if leaves or not source.resolve().is_relative_to(root):
        raise UsageError(
            f"{source} is a link to {target}, which points outside the deploy tree",
            remedy="replace it by the file itself, or name it in promote.exclude",
        )
