"""`inv promote`."""

from invoke import Context, task

from . import seam, terminal


@task(
    aliases=["promote-to-deploy"],
    auto_shortflags=False,
    help={
        "version": "Version of the release. Default: chosen by --bump.",
        "bump": "auto, major, minor or patch. Default: auto.",
        "no_tests": "Do not run the configured test command. Default: off.",
        "allow_dirty": "Promote uncommitted changes; recorded in the manifest. Default: off.",
        "no_commit": "Leave the result uncommitted. Default: off.",
        "dry_run": seam.DRY_RUN_HELP,
    },
)
def promote(
    c: Context,
    version: str = "",
    bump: str = "auto",
    no_tests: bool = False,
    allow_dirty: bool = False,
    no_commit: bool = False,
    dry_run: bool = False,
) -> None:
    """Make the source tree a release in the deploy tree: test, copy, stamp, record, commit."""
    with seam.outcome():
        from towline.release import promotion, promotion_plan

        project = seam.open_project()
        dry = seam.is_dry(c, dry_run)
        if not dry and promotion.recover(project):
            terminal.tell("settled what an interrupted promotion left behind")
        commit = False if no_commit else None
        plan = promotion_plan.plan_promotion(
            project, version=version, bump=bump, allow_dirty=allow_dirty
        )
        if dry or plan.nothing_to_do:
            for line in plan.lines(run_tests=not no_tests, commit=commit):
                terminal.say(line)
            return
        with terminal.Steps().step(f"promote {plan.project} {plan.version}") as note:
            done = promotion.promote(project, plan, run_tests=not no_tests, commit=commit)
            note.text = f"{done.difference} in promoted files"
        sealed = f", commit {done.commit[:12]}" if done.commit else ""
        terminal.say(f"{plan.deploy_tree.name}/ is {plan.project} {done.version} now{sealed}")
        terminal.say("next: `inv deploy`")
