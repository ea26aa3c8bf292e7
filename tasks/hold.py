"""`inv hold`, `inv hold.lift` and `inv unlock`."""

from invoke import Collection, Context, task

from . import cli, terminal

_WAIT_HELP = "Wait so long, such as 5m, for others to end. Default: do not wait."


@task(
    default=True,
    auto_shortflags=False,
    help={
        "env": cli.ENV_HELP,
        "reason": "Why; whoever wants to deploy reads it. Required.",
        "wait": _WAIT_HELP,
        "dry_run": cli.DRY_RUN_HELP,
    },
)
def put(
    c: Context, env: str = "local", reason: str = "", wait: str = "0", dry_run: bool = False
) -> None:
    """Hold an environment: no deploy until someone lifts it. A rollback does that by itself."""
    with cli.outcome():
        from towline.environments import holding
        from towline.errors import UsageError

        if not reason:
            raise UsageError("why is it to be held?", remedy='inv hold --reason "the bug in 1.4.2"')
        limit = cli.duration(wait, "--wait")
        site = cli.open_lead_environment(env)
        if cli.is_dry(c, dry_run):
            terminal.say(f"would hold {env}: {reason}")
            return
        held = holding.place(site, reason, wait=limit, say=terminal.tell)
        terminal.say(f"{env} is on hold: {held}")
        terminal.say(f"next: `inv hold.lift --env {env}` when it is fixed")


@task(
    auto_shortflags=False,
    help={
        "env": cli.ENV_HELP,
        "reason": cli.REASON_HELP,
        "wait": _WAIT_HELP,
        "dry_run": cli.DRY_RUN_HELP,
    },
)
def lift(
    c: Context, env: str = "local", reason: str = "", wait: str = "0", dry_run: bool = False
) -> None:
    """Lift the hold of an environment."""
    with cli.outcome():
        from towline.environments import holding
        from towline.state import hold

        limit = cli.duration(wait, "--wait")
        site, dry = cli.open_lead_environment(env), cli.is_dry(c, dry_run)
        if dry:
            found = hold.read(site.host.files, site.state)
        else:
            found = holding.take_away(site, reason=reason, wait=limit, say=terminal.tell)
        if found is None:
            terminal.say(f"{env} is not on hold")
        else:
            terminal.say(f"{'would lift' if dry else 'lifted'} the hold of {env}: {found}")


@task(
    auto_shortflags=False,
    help={
        "env": cli.ENV_HELP,
        "reason": cli.REASON_HELP,
        "yes": cli.YES_HELP,
        "dry_run": cli.DRY_RUN_HELP,
    },
)
def unlock(
    c: Context, env: str = "local", reason: str = "", yes: bool = False, dry_run: bool = False
) -> None:
    """Force-unlock an environment, after showing who holds its lock."""
    with cli.outcome():
        from towline.environments.unlocking import force_unlock
        from towline.state import lock

        site = cli.open_lead_environment(env)
        files, path = site.host.files, site.state.lock
        holder = lock.read(files, path)
        if holder is None:
            terminal.say(f"nobody holds the lock of {env}")
            return
        state = "running" if lock.looks_alive(files, path, holder) else "stale"
        terminal.say(f"{holder.actor}, process {holder.pid}, {state}:")
        terminal.say(f"  {holder.operation}, since {holder.since}")
        if holder.actor.url:
            terminal.say(f"  {holder.actor.url}")
        if cli.is_dry(c, dry_run):
            return
        cli.confirm(f"Force-unlock {env}?", yes=yes)
        if force_unlock(site, holder, reason=reason, say=terminal.tell):
            terminal.say(f"the lock of {env} is free; what that operation did stays as it is")
            terminal.say(f"next: `inv status --env {env}`")
        else:
            terminal.say("somebody else has it by now; nothing was done")


ns = Collection("hold", put, lift)
