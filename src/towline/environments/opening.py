"""Open an environment: connect to its hosts, find its state on each, and the lead among them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from towline.config.environments import read_values
from towline.config.loading import Project
from towline.config.models import Environment
from towline.engines.base import Engine
from towline.engines.factory import make_engine
from towline.environments import lead, place
from towline.environments.fence import Fence
from towline.environments.host_environment import Away, Fleet, HostEnvironment, name_without
from towline.environments.memo import Memo
from towline.errors import TowlineError, UsageError
from towline.hosts.address import Address, parse_all
from towline.hosts.base import Host
from towline.hosts.local import LocalHost
from towline.hosts.transfers import TransferStatistics
from towline.images.registries import Registries
from towline.state.releases import StateFolder

if TYPE_CHECKING:
    from towline.hosts.remote import RemoteHost

LEFT_OUT = "left out"


@dataclass(frozen=True)
class Opening:
    """How the hosts of one environment are opened.

    Attributes:
        only_look: Whether nothing will be changed: then an environment is opened that has no
            lead, or its state elsewhere.
        tolerant: Whether hosts that cannot be reached are named, and the others opened.
        connected: The hosts behind SSH that were connected to, whatever came of it.
    """

    project: Project
    name: str
    only_look: bool = False
    tolerant: bool = False
    memo: Memo = field(default_factory=Memo)
    fence: Fence = field(default_factory=Fence)
    connected: list[RemoteHost] = field(default_factory=list)

    @property
    def _settings(self) -> Environment:
        return self.project.environment(self.name)

    def local(self) -> HostEnvironment:
        """The environment on this machine."""
        project, name, here = self.project, self.name, LocalHost()
        own = project.environment(name).state
        root = place.own_root() / project.settings.project / name
        if own:
            root = project.root / Path(own).expanduser()
        configured = bool(own or os.environ.get("TOWLINE_STATE"))
        state = place.find(
            self._engine(here, root), name, root,
            configured=configured, only_look=self.only_look,
        )  # fmt: skip
        here = place.leave_to_owner(here, state)
        return HostEnvironment(project, name, here, state, here, registries=self._registries())

    def remote(self, address: Address, registries: Registries) -> HostEnvironment:
        """The environment on a host behind SSH."""
        from towline.hosts.remote import RemoteHost

        project, name = self.project, self.name
        environment = project.environment(name)
        config = environment.ssh_config
        transferred = TransferStatistics()
        host = RemoteHost(
            address,
            transferred=transferred,
            ssh_config=str(project.root / Path(config).expanduser()) if config else "",
            sudo=environment.sudo,
        )
        self.connected.append(host)
        root = host.facts.state_root / project.settings.project / name
        if environment.state:
            root = host.facts.home / environment.state
        state = place.find(
            self._engine(host, root), name, root,
            configured=bool(environment.state), only_look=self.only_look,
        )  # fmt: skip
        return HostEnvironment(
            project, name, place.leave_to_owner(host, state), state, transferred=transferred,
            registries=registries, memo=self.memo, fence=self.fence,
        )  # fmt: skip

    def fleet(self, addresses: Sequence[Address], without: Sequence[str]) -> Fleet:
        """The environment on hosts behind SSH, the lead first."""
        found = self.opened(addresses, without)
        try:
            first = lead.find(found.sites, [item.host for item in found.away])
        except TowlineError as error:
            if not self.only_look:
                raise
            return replace(found, leaderless=error)
        others = (site for site in found.sites if site is not first)
        return replace(found, sites=(first, *others))

    def opened(self, addresses: Sequence[Address], without: Sequence[str]) -> Fleet:
        """The environment on hosts behind SSH, in the order that they are named in."""
        asked = [item for item in addresses if not _names(item, without)]
        away = [Away(item.short, LEFT_OUT) for item in addresses if _names(item, without)]
        if not asked:
            raise UsageError(
                f"--without leaves no host of {self.name}", remedy="leave out fewer hosts"
            )
        registries = self._registries()
        with ThreadPoolExecutor(max_workers=self._settings.rollout.concurrency) as pool:
            opened = list(pool.map(lambda item: self._tried(item, registries), asked))
        sites = [item for item in opened if isinstance(item, HostEnvironment)]
        failed = [(address, item) for address, item in zip(asked, opened, strict=True)
                  if isinstance(item, TowlineError)]  # fmt: skip
        if failed and not (self.tolerant and sites):
            raise _unreachable(self.name, *failed[0], alone=len(addresses) == 1)
        away += [Away(address.short, error.message) for address, error in failed]
        return Fleet(tuple(sites), tuple(away))

    def _tried(self, address: Address, registries: Registries) -> HostEnvironment | TowlineError:
        try:
            return self.remote(address, registries)
        except TowlineError as error:
            # Whoever tries again and again must not leave a connection behind each time.
            for host in list(self.connected):
                if host.name == address.short:
                    host.close()
            return error

    def _engine(self, host: Host, root: Path) -> Engine:
        project = self.project.settings.project
        return make_engine(self._settings.engine, host, StateFolder(root), project, self.name)

    def _registries(self) -> Registries:
        values = read_values(self.project, self.name)
        return Registries(self._settings.registries, values)


def open_fleet(
    project: Project, name: str, *, without: Sequence[str] = (), only_look: bool = False
) -> Fleet:
    """The environment `name` of a project, on all its hosts.

    Args:
        project: The project.
        name: The environment.
        without: Hosts to leave out, as they are named in the configuration.
        only_look: Whether nothing will be changed: hosts that cannot be reached are named in the
            outcome, and an environment without a lead can be looked at.

    Raises:
        UsageError: When there is no such environment, an address of a host is wrong, its state is
            another user's, or the lead is not among its hosts.
        TowlineError: When a host cannot be reached; when all cannot, if `only_look`.
    """
    opening = Opening(project, name, only_look, tolerant=only_look)
    parsed = addresses(project, name)
    unknown = [item for item in without if not any(_names(one, [item]) for one in parsed)]
    if unknown:
        known = ", ".join(item.short for item in parsed) or "none: it is on this machine"
        raise UsageError(
            f"--without: {unknown[0]} is no host of {name}", remedy=f"hosts of {name}: {known}"
        )
    return opening.fleet(parsed, without) if parsed else Fleet((opening.local(),))


def close_fleet(fleet: Fleet) -> None:
    """End the connections to its hosts: for whoever opens an environment again and again."""
    for site in fleet.sites:
        if site.remote:
            from towline.hosts.remote import RemoteHost

            if isinstance(site.host, RemoteHost):
                site.host.close()


def open_unordered(project: Project, name: str) -> Fleet:
    """The environment on all its hosts in the order of the configuration, whatever the lead."""
    opening, parsed = Opening(project, name, tolerant=True), addresses(project, name)
    return opening.opened(parsed, ()) if parsed else Fleet((opening.local(),))


def open_lead_environment(project: Project, name: str) -> HostEnvironment:
    """The environment `name` of a project, on the host that has its journal and lock.

    Raises:
        UsageError: When there is no such environment, or nobody can tell which host that is.
        TowlineError: When no host can be reached.
    """
    return _lead(Opening(project, name, tolerant=True))


@contextmanager
def borrowed_environment(project: Project, name: str) -> Iterator[HostEnvironment]:
    """Like `open_lead_environment`; no connection to any host is left in the end.

    A user whose connections are open cannot be removed from a host.
    """
    opening = Opening(project, name, tolerant=True)
    try:
        yield _lead(opening)
    finally:
        for host in opening.connected:
            host.close()


def addresses(project: Project, name: str) -> list[Address]:
    """The hosts of an environment; none when it is on this machine.

    Raises:
        UsageError: When one is named twice, or is no address.
    """
    return parse_all(project.environment(name).hosts, f"environments.{name}.hosts")


def _lead(opening: Opening) -> HostEnvironment:
    parsed = addresses(opening.project, opening.name)
    return opening.fleet(parsed, ()).lead if parsed else opening.local()


def _names(address: Address, given: Sequence[str]) -> bool:
    return bool({str(address), address.short, address.host} & set(given))


def _unreachable(
    environment: str, address: Address, error: TowlineError, *, alone: bool
) -> TowlineError:
    """The error of one host, with what the others can do without it."""
    if not alone and not isinstance(error, UsageError):
        name_without(error, environment, address.short)
    return error
