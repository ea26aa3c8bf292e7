"""The hosts of an environment, asked at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from towline.config.loading import Project
from towline.errors import AuthenticationFailed, UsageError
from towline.findings import Finding, Severity
from towline.hosts.address import Address, parse_all
from towline.hosts.connection import SshConnection
from towline.progress import Progress
from towline.provision import findings
from towline.provision.apply import apply
from towline.provision.facts import Facts, gather
from towline.provision.plan import ROOT, Step, Wanted, plan
from towline.provision.public_keys import from_files, of_operator
from towline.provision.systems import Source

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Surveyed:
    """A host, and what is known of it."""

    connection: SshConnection
    facts: Facts

    @property
    def name(self) -> str:
        """How people call it."""
        return self.connection.address.short


@dataclass(frozen=True)
class Prepared:
    """A host and the steps that are to be done there."""

    host: Surveyed
    steps: Sequence[Step]


def survey(
    project: Project, environment: str, *, login: str = "", user: str = ""
) -> list[Surveyed]:
    """Ask every host of an environment; changes nothing.

    Args:
        project: The project.
        environment: Name of the environment.
        login: Who logs in, where it is not the user that deploys.
        user: Who deploys; default: the user of the host's address.

    Raises:
        UsageError: When the environment has no hosts, or one does not let us in.
        TowlineError: When a host cannot be reached.
    """
    hosts = project.environment(environment).hosts
    if not hosts:
        raise UsageError(
            f"{environment} has no hosts: it is this machine",
            remedy=f"name some in towline.yaml: environments.{environment}.hosts",
        )
    file = ssh_config(project, environment)

    def ask(address: Address) -> Surveyed:
        connection = SshConnection(replace(address, user=login or address.user), file)
        try:
            whom = user or SshConnection(address, file).user()
            return Surveyed(connection, gather(connection, whom))
        except UsageError as error:
            raise _with_login(error, address, environment, login=login) from None

    concurrency = project.environment(environment).rollout.concurrency
    addresses = parse_all(hosts, f"environments.{environment}.hosts")
    return on_each(addresses, ask, concurrency)


def ssh_config(project: Project, environment: str) -> str:
    """The SSH configuration of an environment; empty for the operator's own."""
    config = project.environment(environment).ssh_config
    return str(project.root / Path(config).expanduser()) if config else ""


def examine(project: Project, environment: str, *, login: str = "") -> list[Finding]:
    """What every host of an environment lacks; see `survey` for what it raises."""
    wanted = project.environment(environment).checks.disk_free
    found = [
        replace(finding, host=host.name)
        for host in survey(project, environment, login=login)
        for finding in findings.examine(host.facts, environment, wanted)
    ]
    order = (Severity.ERROR, Severity.WARNING, Severity.OK)
    return sorted(found, key=lambda finding: order.index(finding.severity))


def prepare(
    hosts: Sequence[Surveyed], *, source: Source, key_files: Sequence[Path] = (), config: str = ""
) -> list[Prepared]:
    """The steps that make hosts ready, planned for all before one is touched.

    Raises:
        UsageError: When one of them cannot be prepared; it is named.
    """
    keys: tuple[str, ...] = ()
    if any(host.facts.user != ROOT for host in hosts):
        addresses = [host.connection.address for host in hosts]
        keys = from_files(key_files) if key_files else of_operator(addresses, config)
    prepared = []
    for host in hosts:
        facts = host.facts
        wanted = Wanted(facts.user, keys, source)
        steps = named(host, partial(plan, facts, wanted))
        prepared.append(Prepared(host, steps))
    return prepared


def carry_out(prepared: Sequence[Prepared], progress: Progress, at_once: int) -> None:
    """Do the steps, on all hosts at once.

    Raises:
        TowlineError: When a step fails; the other hosts go on to their end.
    """
    on_each(
        prepared,
        lambda item: apply(item.host.connection, item.host.facts, item.steps, progress),
        at_once,
    )


def named(host: Surveyed, act: Callable[[], T]) -> T:
    """Do something for a host; an error says which it was."""
    try:
        return act()
    except UsageError as error:
        raise UsageError(f"{host.name}: {error.message}", remedy=error.remedy) from None


def on_each(items: Sequence[T], act: Callable[[T], R], at_once: int) -> list[R]:
    """Do something with each at once; the first error wins when all are done."""
    with ThreadPoolExecutor(max_workers=max(1, min(at_once, len(items)))) as pool:
        return [item.result() for item in [pool.submit(act, item) for item in items]]


def _with_login(error: UsageError, address: Address, environment: str, *, login: str) -> UsageError:
    """Before a host is prepared, the user who is to deploy is not there."""
    if login or not isinstance(error, AuthenticationFailed):
        return error
    return UsageError(
        error.message,
        remedy=f"if {address.short} is not prepared yet: `inv provision --env {environment} "
        f"--login root`; else {error.remedy}",
    )
