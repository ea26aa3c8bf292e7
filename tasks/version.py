"""`inv version.*`: which version is this, which comes next, and the release of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from invoke import Collection, Context, task

from . import cli, terminal

if TYPE_CHECKING:
    from towline.config.loading import Project
    from towline.git.changes import Change
    from towline.versions.decision import Decision
    from towline.versions.version_state import VersionState

_BRANCH = "Branch whose channel counts. Default: the one that is checked out."
_SHOWN = 20


@task(default=True, auto_shortflags=False, help={"branch": _BRANCH, "json": cli.JSON_HELP})
def show(c: Context, branch: str = "", json: bool = False) -> None:
    """Show the version that is released, what came since, and what comes next."""
    with cli.outcome():
        version_state = _examine(branch)
        decision = version_state.decide()
        data = _data(version_state, decision)
        if json:
            terminal.say_json("version", data)
            return
        released = f"{data['version']}  (tag {data['tag']})" if data["tag"] else "none yet"
        terminal.say(f"released  {released}")
        terminal.say(f"written   {data['written'] or 'in no version file'}")
        terminal.say(f"branch    {data['branch'] or '(detached)'}{_channel(data['channel'])}")
        terminal.say(f"since     {_since(decision)}")
        terminal.say(f"next      {_next(decision)}")


@task(
    name="next",
    auto_shortflags=False,
    help={
        "branch": _BRANCH,
        "short": "Print the next version alone, for scripts; nothing without one. Default: off.",
        "json": cli.JSON_HELP,
    },
)
def next_(c: Context, branch: str = "", short: bool = False, json: bool = False) -> None:
    """Show which version comes next, and the commits that decide."""
    with cli.outcome():
        version_state = _examine(branch)
        decision = version_state.decide()
        if json:
            terminal.say_json("version", _data(version_state, decision))
        elif short and decision.is_new:
            terminal.say(decision.version)
        elif short:
            terminal.tell(f"no new version: {decision.why}")
        else:
            _explain(decision)


@task(
    auto_shortflags=False,
    help={
        "type": "auto, major, minor, patch or prerelease. Default: auto, by the commits.",
        "branch": _BRANCH,
        "dry_run": cli.DRY_RUN_HELP,
    },
)
def bump(c: Context, type: str = "auto", branch: str = "", dry_run: bool = False) -> None:  # noqa: A002
    """Write the next version into the version files; commit and tag nothing."""
    with cli.outcome():
        from towline.versions.version_state import examine

        project = cli.open_project()
        decision = examine(project, branch=branch).decide(bump=type)
        if not decision.is_new:
            terminal.say(f"no new version: {decision.why}")
            return
        _stamp(project, decision.version, cli.is_dry(c, dry_run))


# Default None, not "": Invoke takes a word for a positional only while it has no value.
@task(
    name="set",
    auto_shortflags=False,
    positional=["version"],
    help={"version": "The version, such as 1.4.0. Required.", "dry_run": cli.DRY_RUN_HELP},
)
def set_(c: Context, version: str | None = None, dry_run: bool = False) -> None:
    """Write a version into the version files; commit and tag nothing."""
    with cli.outcome():
        from towline.errors import UsageError
        from towline.versions.version import parse

        if version in ("--help", "-h"):
            # A positional takes the flag that follows the task's name.
            terminal.say("Usage: inv version.set VERSION [--dry-run]\n")
            terminal.say("Write a version into the version files; commit and tag nothing.")
            return
        if not version:
            raise UsageError("which version?", remedy="inv version.set 1.4.0")
        _stamp(cli.open_project(), str(parse(version)), cli.is_dry(c, dry_run))


@task(
    auto_shortflags=False,
    help={
        "type": "auto, major, minor, patch or prerelease. Default: auto, by the commits.",
        "version": "Version of the release. Default: chosen by --type.",
        "auto_commit": "Commit the files and tag the commit. Default: off.",
        "branch": _BRANCH,
        "dry_run": cli.DRY_RUN_HELP,
        "json": cli.JSON_PLAN_HELP,
    },
)
def prepare_release(
    c: Context,
    type: str = "auto",  # noqa: A002 - the option's name
    version: str = "",
    auto_commit: bool = False,
    branch: str = "",
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Release the project: version files, changelog, commit and annotated tag."""
    with cli.outcome():
        from towline.versions import release_commit
        from towline.versions.version_state import examine

        from .operation import show as show_plan

        project, dry = cli.open_project(), cli.is_dry(c, dry_run)
        cli.refuse_json(json, dry=dry)
        reconciled = None if dry else release_commit.recover(project)
        if reconciled and reconciled.commit:
            terminal.tell("finished the release that was interrupted")
            _say_released(project, reconciled.tag, reconciled.commit, reconciled.tag)
            return
        if reconciled:
            terminal.tell(f"undid the interrupted release of {reconciled.tag}")
        version_state = examine(project, branch=branch)
        plan = release_commit.plan_release(
            version_state, version=version, bump=type, commit=auto_commit
        )
        unsure = release_commit.check_remote(version_state, plan) if auto_commit else ""
        if unsure:
            plan = replace(plan, warnings=(f"{unsure}; only the tags that are here count",))
        if dry or plan.nothing_to_do:
            show_plan(plan, json)
            return
        for warning in plan.warnings:
            terminal.tell(warning)
        commit = release_commit.carry_out(version_state, plan, commit=auto_commit)
        if commit:
            _say_released(project, plan.decision.version, commit, plan.tag)
            return
        for line in plan.done():
            terminal.say(line)
        terminal.say("next: look at it, then `inv version.prepare-release --auto-commit`")


@task(
    auto_shortflags=False,
    help={
        "all": "Add every version that is missing, not only those above the newest. Default: off.",
        "version": "Print the notes of one version, or of `next`, and write nothing. Default: off.",
        "branch": _BRANCH,
        "dry_run": "Print the whole changelog and change nothing. Default: off.",
    },
)
def changelog(
    c: Context,
    all: bool = False,  # noqa: A002 - the option's name
    version: str = "",
    branch: str = "",
    dry_run: bool = False,
) -> None:
    """Bring the changelog up to date with the tags; hand-written text stays."""
    with cli.outcome():
        version_state = _examine(branch)
        project = version_state.project
        from towline.versions import release_notes, version_files

        if version:
            terminal.say(release_notes.notes(version_state, version))
            return
        change, added = release_notes.missing(version_state, everything=all)
        name = project.settings.versions.changelog
        if cli.is_dry(c, dry_run):
            terminal.say_raw(change.after.decode())
        elif change.before == change.after:
            terminal.say(f"{name} is up to date")
        else:
            version_files.write([change])
            terminal.say(f"{name}: {', '.join(added)}")


def _examine(branch: str) -> VersionState:
    """Where the project's versions stand; Git reads the history while Python loads the rest."""
    from towline.git.log import Reading

    reading = Reading(Path.cwd())
    from towline.versions.version_state import examine

    return examine(cli.open_project(), branch=branch, reading=reading)


def _say_released(project: Project, version: str, commit: str, tag: str) -> None:
    terminal.say(f"released {version}: commit {commit[:12]}, tag {tag}")
    terminal.say(f"next: `git push {project.settings.promote.remote} HEAD {tag}`")


def _stamp(project: Project, version: str, dry: bool) -> None:
    from towline.versions import release_commit, version_files, version_state

    folder, files = version_state.files_of(project)
    if dry:
        for item in version_files.stamps(folder, files, version):
            terminal.say(f"would write {version} into {item.path.name}")
        return
    changed = release_commit.stamp(project, version)
    for path in changed:
        terminal.say(f"{version} written into {path.relative_to(project.root.resolve())}")
    if not changed:
        terminal.say(f"the version files say {version} already")


def _data(version_state: VersionState, decision: Decision) -> dict[str, Any]:
    last = version_state.last
    return {
        "version": str(last[0]) if last else "",
        "tag": last[1] if last else "",
        "written": str(version_state.written or ""),
        "branch": version_state.branch or version_state.repository.branch(),
        "channel": version_state.label,
        "next": decision.version,
        "next_tag": version_state.form.tag(decision.version) if decision.is_new else "",
        "is_new": decision.is_new,
        "part": decision.part,
        "why": decision.why,
        "changes": [_row(change) for change in decision.changes],
        "reasons": [_row(change) for change in decision.reasons],
    }


def _row(change: Change) -> dict[str, Any]:
    message = change.message
    return {
        "sha": change.commit.sha,
        "type": message.type if message else "",
        "scope": message.scope if message else "",
        "breaking": message.breaking if message else False,
        "text": message.description if message else change.commit.subject,
    }


def _explain(decision: Decision) -> None:
    previous = decision.previous or "(no version yet)"
    if not decision.is_new:
        terminal.say(f"no new version after {previous}: {decision.why}")
    else:
        arrow = terminal.paint(decision.version, "green")
        terminal.say(f"{previous} -> {arrow}: {decision.why}")
    _list("decided by", decision.reasons)
    rest = [item for item in decision.changes if item.message and item not in decision.reasons]
    _list("also", rest)
    _list("without a conventional message", decision.unconventional)


def _list(title: str, changes: Any) -> None:
    if not changes:
        return
    terminal.say(f"\n{title}")
    for change in changes[:_SHOWN]:
        terminal.say(f"  {change.commit.sha[:9]}  {change.title}")
    if len(changes) > _SHOWN:
        terminal.say(f"  and {len(changes) - _SHOWN} more")


def _since(decision: Decision) -> str:
    from collections import Counter

    kinds = Counter(item.message.type if item.message else "other" for item in decision.changes)
    total = sum(kinds.values())
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return f"{total} change{'' if total == 1 else 's'}" + (f": {told}" if told else "")


def _next(decision: Decision) -> str:
    if not decision.is_new:
        return f"none: {decision.why}"
    return f"{terminal.paint(decision.version, 'green')}  ({decision.why})"


def _channel(label: str | None) -> str:
    return f"  (channel {label})" if label else ""


ns = Collection("version", show, next_, bump, set_, prepare_release, changelog)
