"""Symbolic links of a deploy tree lead to its own files: a release ships what they lead to.

Real paths are compared: a link that leads through another one ends elsewhere than its words say.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from towline.errors import UsageError
from towline.findings import Finding, Severity
from towline.promotion.tree import FileRecord, is_host_file, outside_tree


def refuse_links(tree: Path, files: Mapping[str, FileRecord]) -> None:
    """Refuse a tree with a link that leads elsewhere.

    Args:
        tree: The deploy tree.
        files: Records of the files to look at.

    Raises:
        UsageError: When a link points outside the tree, or to a key or secret of the host in it.
    """
    real = tree.resolve()
    for path, item in files.items():
        if item.mode == "link":
            check_link(real, real / path)


def check_link(tree: Path, link: Path) -> None:
    """Refuse a link that points outside a tree, or to a key or secret in it; see `refuse_links`."""
    try:
        end = link.resolve()
    except (OSError, RuntimeError):
        return  # it leads in circles: reading it says so
    if not end.is_relative_to(tree):
        raise outside_tree(link)
    inside = end.relative_to(tree).as_posix()
    if is_host_file(inside) or is_host_file(f"{inside}/x"):
        raise UsageError(
            f"{link} is a symbolic link to {inside}, a key or secret that is in no release",
            remedy="remove the link, and let services read the file itself",
        )


def link_findings(tree: Path, files: Mapping[str, FileRecord]) -> Iterator[Finding]:
    """The same as a finding."""
    try:
        refuse_links(tree, files)
    except UsageError as error:
        yield Finding("manifest", Severity.ERROR, error.message, error.remedy)
