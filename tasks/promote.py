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
        from towline.release import promotion

        project = seam.open_project()
        plan = promotion.plan_promotion(
            project, version=version, bump=bump, allow_dirty=allow_dirty
        )
        if seam.is_dry(c, dry_run) or plan.nothing_to_do:
            for line in plan.lines():
                terminal.say(line)
            return
        done = promotion.promote(
            project, plan, run_tests=not no_tests, commit=False if no_commit else None
        )
        for line in done.lines():
            terminal.say(line)
        terminal.say("next: `inv deploy`")
