"""`inv init`, `inv init.secrets` and `inv init.certificate`."""

from invoke import Collection, Context, task

from . import cli, terminal


@task(
    default=True,
    auto_shortflags=False,
    help={
        "name": "Name of the project. Default: the folder's name.",
        "source": "Source tree. Default: detected.",
        "port": "Port that the service listens on in its container. Default: as found, or 8000.",
        "https_port": "Port that users reach it on, on this machine. Default: 8443.",
        "health": "Path that answers 200 when the service is healthy. Default: detected.",
        "force": "Overwrite files that exist. Default: off.",
        "dry_run": cli.DRY_RUN_HELP,
    },
)
def scaffold(
    c: Context,
    name: str = "",
    source: str = "",
    port: str = "",
    https_port: str = "8443",
    health: str = "",
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Write towline.yaml, tasks.py and a deploy tree for this project; keeps what exists."""
    with cli.outcome():
        from pathlib import Path

        from towline.git.convention import is_followed
        from towline.git.repository import open_repository
        from towline.scaffold.scaffold import plan_scaffold, write_scaffold

        repository = open_repository(Path.cwd())
        plan = plan_scaffold(
            Path.cwd(),
            name=name,
            source=source,
            port=cli.count(port, "--port") if port else 0,
            https_port=cli.count(https_port, "--https-port"),
            health=health,
            conventional=is_followed(Path.cwd()),
            ignores=repository.ignores if repository else lambda _: False,
        )
        if not cli.is_dry(c, dry_run):
            write_scaffold(plan, force=force)
        for line in plan.lines(force=force):
            terminal.say(line)


@task(
    auto_shortflags=False,
    help={"env": cli.ENV_HELP, "dry_run": cli.DRY_RUN_HELP},
)
def secrets(c: Context, env: str = "local", dry_run: bool = False) -> None:
    """Fill an environment's file from the example, with random secrets; keeps what is set."""
    with cli.outcome():
        from towline.config.environments import default_env_file, example_file
        from towline.scaffold.new_secrets import fill

        project = cli.open_project()
        project.environment(env)
        target = default_env_file(project, env)
        if cli.is_dry(c, dry_run):
            terminal.say(f"would fill {target} from {example_file(project, env)}")
            return
        for line in fill(example_file(project, env), target).lines():
            terminal.say(line)


@task(
    auto_shortflags=False,
    help={
        "names": "Names and addresses, separated by commas. Default: localhost,127.0.0.1.",
        "days": "How long it is valid. Default: 365.",
        "force": "Replace a certificate that exists. Default: off.",
        "dry_run": cli.DRY_RUN_HELP,
    },
)
def certificate(
    c: Context,
    names: str = "localhost,127.0.0.1",
    days: str = "365",
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Make a self-signed certificate for trying things out."""
    with cli.outcome():
        from towline.config.certificate import self_signed

        folder = cli.open_project().deploy_tree / "security" / "ssl"
        if cli.is_dry(c, dry_run):
            terminal.say(f"would write fullchain.pem and privkey.pem to {folder}")
            return
        existed = (folder / "fullchain.pem").exists() and not force
        path = self_signed(folder, names.split(","), days=cli.count(days, "--days"), force=force)
        terminal.say(f"{path} {'exists: kept' if existed else 'written, self-signed'}")


ns = Collection("init", scaffold, secrets, certificate)
