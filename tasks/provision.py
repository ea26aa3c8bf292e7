"""`inv provision` and `inv provision.check`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from invoke import Collection, Context, task

from . import check as checks
from . import cli, lab, terminal

if TYPE_CHECKING:
    from towline.config.loading import Project
    from towline.provision.survey import Prepared, Surveyed

_LOGIN = "Who logs in, such as root. Default: as the hosts are named in towline.yaml."


@task(
    default=True,
    auto_shortflags=False,
    help={
        "env": cli.ENV_HELP,
        "provider": "ssh for the environment's hosts, local for container hosts on this machine. "
        "Default: ssh.",
        "hosts": "How many container hosts. Default: 3.",
        "login": _LOGIN,
        "user": "Who deploys there. Default: the user of the hosts' addresses.",
        "key": "File with public keys for that user. Default: yours.",
        "engine": "docker for Docker's packages, distro for the distribution's. Default: docker.",
        "destroy": "Take away what was made there, and nothing else. Default: off.",
        "reason": cli.REASON_HELP,
        "force": "Destroy although something is deployed there. Default: off.",
        "yes": cli.YES_HELP,
        "dry_run": cli.DRY_RUN_HELP,
    },
)
def run(
    c: Context,
    env: str = "local",
    provider: str = "ssh",
    hosts: str = "3",
    login: str = "",
    user: str = "",
    key: str = "",
    engine: str = "docker",
    destroy: bool = False,
    reason: str = "",
    force: bool = False,
    yes: bool = False,
    dry_run: bool = False,
) -> None:
    """Prepare hosts: engine, user, folders, log rotation. Twice changes nothing."""
    with cli.outcome():
        cli.one_of(provider, "--provider", ("ssh", "local"))
        if provider == "local":
            if destroy:
                lab.remove(dry=cli.is_dry(c, dry_run))
            else:
                lab.start(cli.count(hosts, "--hosts"), dry=cli.is_dry(c, dry_run))
            return
        from towline.provision import survey as surveys

        project = cli.open_project()
        found = surveys.survey(project, env, login=login, user=user)
        if destroy:
            planned = _deprovision(found, force=force)
        else:
            source = cli.one_of(engine, "--engine", ("docker", "distro"))
            planned = surveys.prepare(
                found,
                source="distro" if source == "distro" else "docker",
                key_files=[Path(key).expanduser()] if key else [],
                config=surveys.ssh_config(project, env),
            )
        _show(planned)
        if not destroy:
            _notes(found)
        busy = [item for item in planned if item.steps]
        if not busy or cli.is_dry(c, dry_run):
            return
        names = ", ".join(item.host.name for item in busy)
        cli.confirm(f"{'Take it away from' if destroy else 'Do that on'} {names}?", yes=yes)
        _note(project, env, [item.host.name for item in busy], reason, destroy=destroy)
        concurrency = project.environment(env).rollout.concurrency
        surveys.carry_out(busy, terminal.Steps(at_once=len(busy) > 1), concurrency)
        if destroy:
            terminal.say(f"{names}: what was made is gone")
        else:
            terminal.say(f"{names}: ready; next: `inv provision.check --env {env}`")


@task(
    name="check",
    auto_shortflags=False,
    help={"env": cli.ENV_HELP, "login": _LOGIN, "json": cli.JSON_HELP},
)
def check_(c: Context, env: str = "local", login: str = "", json: bool = False) -> None:
    """Say what the hosts of an environment lack, all at once."""
    with cli.outcome():
        from towline.checks.preflight import stop_on_errors
        from towline.provision.survey import examine

        findings = examine(cli.open_project(), env, login=login)
        checks.show(findings, json)
        stop_on_errors(
            findings,
            check="check of the hosts",
            command=f"inv provision.check --env {env}",
            shown=not json,
        )


def _note(project: Project, env: str, names: list[str], reason: str, *, destroy: bool) -> None:
    from towline.environments.opening import borrowed_environment
    from towline.environments.provisioning import note_provisioning

    note_provisioning(
        borrowed_environment(project, env),
        "deprovision" if destroy else "provision",
        names,
        reason=reason,
        say=lambda text: terminal.tell(f"  note      {text}"),
    )


def _deprovision(found: list[Surveyed], *, force: bool) -> list[Prepared]:
    from towline.provision.deprovision import deprovision, left
    from towline.provision.survey import Prepared, named

    planned = []
    for host in found:
        steps = named(host, lambda host=host: deprovision(host.facts, force=force))  # type: ignore[misc]
        planned.append(Prepared(host, steps))
        for line in left(host.facts) if steps else ():
            terminal.tell(f"  stays on {host.name}: {line}")
    return planned


def _show(planned: list[Prepared]) -> None:
    for item in planned:
        facts = item.host.facts
        terminal.say(f"{item.host.name} ({facts.system}, as {facts.host.user})")
        for number, step in enumerate(item.steps, 1):
            terminal.say(f"  {number}. {step.title}")
        if not item.steps:
            terminal.say("  nothing to do")


def _notes(found: list[Surveyed]) -> None:
    from towline.provision.plan import notes

    for host in found:
        for line in notes(host.facts):
            terminal.tell(f"  note      {host.name}: {line}")


ns = Collection("provision", run, check_)
