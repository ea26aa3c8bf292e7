"""What changed between two releases: for the terminal, and as Markdown for a pull request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from towline.config.redaction import KNOWN
from towline.git.changes import Change
from towline.promotion.dependencies import Upgrade

_SHOWN = 15
_SHOWN_IN_ROW = 6
# Headings in the order in which readers care.
_KINDS = {"feat": "feature", "fix": "fix", "perf": "performance gain", "revert": "revert"}


@dataclass(frozen=True)
class Summary:
    """The difference between the release before and the one that is promoted.

    Attributes:
        project: Name of the project.
        previous: Version before; empty at the first promotion.
        version: Version that is promoted.
        changes: What commits tell, newest first.
        files: Path in the deploy tree, with `+` (added), `-` (removed) or `~` (changed) before it.
        dependencies: Python packages that differ.
        migrations: Steps of the schema that are new.
        variables: Variables that are new (`+`) or gone (`-`).
        discarded: Files with a hotfix that the promotion overwrites.
    """

    project: str
    previous: str
    version: str
    changes: Sequence[Change] = ()
    files: Sequence[str] = ()
    dependencies: Sequence[Upgrade] = ()
    migrations: Sequence[str] = ()
    variables: Sequence[str] = ()
    discarded: Sequence[str] = ()

    @property
    def title(self) -> str:
        """The summary in one line."""
        return f"Promote {self.project} {self.version}"

    def lines(self) -> list[str]:
        """For the terminal: a line a subject, with the most important below it."""
        lines = [f"{'changes':<14}{_counted(self.changes)}"]
        lines += _some(
            [f"  {_kind(item):<8}  {_describe(item)}" for item in _by_weight(self.changes)]
        )
        lines.append(f"{'files':<14}{_tally(self.files)}")
        rows = (
            ("dependencies", [str(item) for item in self.dependencies]),
            ("migrations", self.migrations),
            ("variables", self.variables),
            ("discarded", self.discarded),
        )
        for name, items in rows:
            if items:
                lines.append(f"{name:<14}{items[0]}")
                lines += [f"{'':<14}{item}" for item in items[1:_SHOWN_IN_ROW]]
                more = len(items) - _SHOWN_IN_ROW
                lines += [f"{'':<14}and {more} more"] if more > 0 else []
        return lines

    def markdown(self) -> str:
        """For the body of a pull request."""
        before = f" (before: {self.previous})" if self.previous else " (the first release)"
        parts = [f"## {self.project} {self.version}{before}", _counted(self.changes)]
        if self.changes:
            parts.append("\n".join(f"- {_markdown(item)}" for item in _by_weight(self.changes)))
        if self.dependencies:
            rows = [
                f"| {item.name} | {item.before or '–'} | {item.after or '–'} |"  # noqa: RUF001
                for item in self.dependencies
            ]
            table = ["| package | before | after |", "|---|---|---|", *rows]
            parts += ["### Dependencies", "\n".join(table)]
        for heading, items in (
            ("Migrations", self.migrations),
            ("Variables", self.variables),
            ("Discarded hotfixes", self.discarded),
        ):
            if items:
                parts += [f"### {heading}", "\n".join(f"- `{item}`" for item in items)]
        parts.append(f"### Files: {_tally(self.files)}")
        if self.files:
            listed = "\n".join(self.files)
            parts.append(
                f"<details><summary>the list</summary>\n\n```text\n{listed}\n```\n\n</details>"
            )
        return "\n\n".join(parts) + "\n"


def _by_weight(changes: Sequence[Change]) -> list[Change]:
    """Breaking changes first, then features, fixes and the rest; within each, newest first."""
    order = list(_KINDS)

    def weight(change: Change) -> int:
        if change.message is None:
            return len(order) + 2
        if change.message.breaking:
            return -1
        kind = change.message.type
        return order.index(kind) if kind in order else len(order) + 1

    return sorted(changes, key=weight)


def _counted(changes: Sequence[Change]) -> str:
    if not changes:
        return "no commit tells of one"
    breaking = sum(1 for item in changes if item.message and item.message.breaking)
    kinds = Counter(_KINDS.get(_kind(item), "other") for item in changes)
    counts = [_count(breaking, "breaking change")] if breaking else []
    counts += [_count(kinds[kind], kind) for kind in (*_KINDS.values(), "other") if kinds[kind]]
    return ", ".join(counts)


def _count(number: int, what: str) -> str:
    return (
        f"{number} {what}"
        if number == 1
        else f"{number} {'fixes' if what == 'fix' else f'{what}s'}"
    )


def _kind(change: Change) -> str:
    return change.message.type if change.message else "other"


def _describe(change: Change) -> str:
    return f"{_text(change)}  {change.commit.sha[:9]}"


def _text(change: Change) -> str:
    message = change.message
    if message is None:
        return change.commit.subject
    scope = f"{message.scope}: " if message.scope else ""
    mark = "BREAKING " if message.breaking else ""
    return f"{mark}{scope}{message.description}"


def _markdown(change: Change) -> str:
    # Secrets are masked before: what is made safe for Markdown would not be recognised any more.
    # Backticks keep what looks like Markdown or a mention from being one.
    text = KNOWN.redact(_text(change)).replace("`", "'")
    return f"**{_kind(change)}** {_safe(text)} ({change.commit.sha[:9]})"


def _safe(text: str) -> str:
    for character in "<>@":
        text = text.replace(character, f"`{character}`")
    return text


def _tally(files: Sequence[str]) -> str:
    counts = Counter(line[0] for line in files)
    return f"{counts['~']} changed, {counts['+']} added, {counts['-']} removed"


def _some(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"  and {more} more"] if more > 0 else [])]
