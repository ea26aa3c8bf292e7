"""`inv promote`, `inv promote.drift` and `inv promote.backport`."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from copy import copy
from typing import TYPE_CHECKING

from invoke import Collection, Context, task

from . import cli, terminal
from .operation import show

if TYPE_CHECKING:
    from towline.config.loading import Project
    from towline.promotion.promotion import Promoted, PromotionPlan
    from towline.promotion.summary import Summary


@task(
    default=True,
    auto_shortflags=False,
    help={
        "bump": "auto, major, minor, patch or prerelease. Default: auto, by the commits.",
        "version": "Version of the release. Default: chosen by --bump.",
        "plan": "Print what would be done and change nothing, as --dry-run. Default: off.",
        "no_tests": "Do not run the configured test command. Default: off.",
        "allow_dirty": "Promote uncommitted changes; recorded in the manifest. Default: off.",
        "discard_hotfix": "Overwrite changes made in the deploy tree; recorded. Default: off.",
        "relock": "Lock the requirements anew, though they did not change. Default: off.",
        "no_commit": "Leave the result uncommitted. Default: off.",
        "branch": "Commit on a new branch of this name. Default: the one that is checked out.",
        "push": "Push the branch, deploy/promote-VERSION without --branch. Default: off.",
        "pr": "Push, and open a pull request on GitHub. Default: off.",
        "dry_run": cli.DRY_RUN_HELP,
        "json": cli.JSON_PLAN_HELP,
    },
)
def run(
    c: Context,
    bump: str = "auto",
    version: str = "",
    plan: bool = False,
    no_tests: bool = False,
    allow_dirty: bool = False,
    discard_hotfix: bool = False,
    relock: bool = False,
    no_commit: bool = False,
    branch: str = "",
    push: bool = False,
    pr: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Make the source tree a release in the deploy tree: test, copy, stamp, record, commit."""
    with cli.outcome():
        from towline.errors import UsageError
        from towline.promotion import plan as promotion_plan
        from towline.promotion import promotion
        from towline.promotion.plan_summary import summarise

        project = cli.open_project()
        dry = cli.is_dry(c, dry_run or plan)
        cli.refuse_json(json, dry=dry)
        if no_commit and (branch or push or pr):
            raise UsageError(
                "--no-commit leaves nothing for a branch", remedy="leave one of the two out"
            )
        if not dry and promotion.recover(project):
            terminal.tell("reconciled what an interrupted promotion left behind")
        commit = False if no_commit else None
        wanted = promotion_plan.plan_promotion(
            project,
            version=version,
            bump=bump,
            allow_dirty=allow_dirty,
            discard_hotfix=discard_hotfix,
            relock=relock,
        )
        if dry or wanted.nothing_to_do:
            show(wanted.with_options(run_tests=not no_tests, commit=not no_commit), json)
            if not (json or wanted.nothing_to_do):
                _show(summarise(wanted))
            return
        # Of what is there before it is replaced.
        summary = summarise(wanted)
        name = branch or (f"deploy/promote-{wanted.version}" if push or pr else "")
        with _on_branch(project, name):
            done = _carry_out(project, wanted, run_tests=not no_tests, commit=commit)
        _show(summary)
        sealed = f", commit {done.commit[:12]}" if done.commit else ""
        place = f" on {name}" if name else ""
        tree = wanted.deploy_tree.name
        terminal.say(f"\n{tree}/ is {wanted.project} {done.version} now{sealed}{place}")
        if push or pr:
            _publish(project, name, summary, pr=pr)
        elif name:
            terminal.say(f"next: `git push -u {project.settings.promote.remote} {name}`")
        else:
            terminal.say("next: `inv deploy`")


@task(auto_shortflags=False, help={"json": cli.JSON_HELP})
def drift(c: Context, json: bool = False) -> None:
    """Show what was changed in the deploy tree itself since the promotion, as a diff."""
    with cli.outcome():
        from towline.promotion.drift import find

        project = cli.open_project()
        found = find(project)
        if json:
            rows = [
                {"path": x.path, "kind": x.kind, "source": x.source, "backported": x.is_backported}
                for x in found.files
            ]
            terminal.say_json("drift", {"version": found.version, "files": rows})
            return
        if not found.files:
            tree, what = project.deploy_tree.name, found.version or "nothing yet"
            terminal.say(f"{tree}/ is what was promoted: {what}")
            return
        terminal.say_raw(found.diff())
        if all(item.is_backported for item in found.files):
            terminal.tell("the source tree holds the same: `inv promote` goes on")
        else:
            terminal.tell("next: `inv promote.backport`, or `inv promote --discard-hotfix`")


@task(
    auto_shortflags=False,
    help={
        "branch": "Name of the branch. Default: hotfix/backport-VERSION.",
        "dry_run": cli.DRY_RUN_HELP,
    },
)
def backport(c: Context, branch: str = "", dry_run: bool = False) -> None:
    """Bring what was changed in the deploy tree into the source tree, as a branch."""
    with cli.outcome():
        from towline.promotion import backport as backports
        from towline.promotion.drift import find

        project = cli.open_project()
        if cli.is_dry(c, dry_run):
            left = [item for item in find(project).files if not item.is_backported]
            for item in left:
                terminal.say(
                    f"would backport {item.path} to {project.settings.source}/{item.source}"
                )
            if not left:
                terminal.say("nothing to backport")
            return
        done = backports.backport(project, branch=branch)
        if not done.branch:
            terminal.say("nothing to backport: the source tree holds what the deploy tree holds")
            return
        terminal.say(f"{done.branch} is checked out, with commit {done.commit[:12]}")
        for path in done.files:
            terminal.say(f"  {path}")
        terminal.say("next: test it, merge it, then `inv promote`")


def _on_branch(project: Project, name: str) -> AbstractContextManager[None]:
    from towline.git.publishing import on_branch
    from towline.versions.version_state import repository_of

    return on_branch(repository_of(project), name) if name else nullcontext()


def _carry_out(
    project: Project, plan: PromotionPlan, *, run_tests: bool, commit: bool | None
) -> Promoted:
    from towline.promotion import promotion

    with terminal.Steps().step(f"promote {plan.project} {plan.version}") as note:
        done = promotion.promote(project, plan, run_tests=run_tests, commit=commit)
        note.text = f"{done.difference} in promoted files"
    return done


def _show(summary: Summary) -> None:
    terminal.say()
    for line in summary.lines():
        terminal.say(line)


def _publish(project: Project, branch: str, summary: Summary, *, pr: bool) -> None:
    from towline.git import remote as remotes
    from towline.git.publishing import push
    from towline.versions.version_state import repository_of

    repository, settings = repository_of(project), project.settings.promote
    push(repository, settings.remote, branch)
    terminal.say(f"pushed {branch} to {settings.remote}")
    if not pr:
        terminal.say(f"next: open a pull request for {branch}")
        return
    from towline.promotion.pull_request import open_pull_request

    request = open_pull_request(
        remotes.parse(repository.remote(settings.remote)),
        branch=branch,
        title=summary.title,
        body=summary.markdown(),
        base=settings.base,
    )
    word = "opened" if request.created else "updated"
    terminal.say(f"{word} pull request #{request.number}: {request.url}")


ns = Collection("promote", run, drift, backport)
# Where people come from, this is the name of a script. A copy, because Invoke takes the help out
# of a task when it is listed.
promote_to_deploy = copy(run)
promote_to_deploy.help = dict(run.help)
