"""An environment in hand: its settings, variables, host, engine, retained releases and journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TypeVar

from towline.config.deploy_sections import Rollout
from towline.config.environments import read_values
from towline.config.loading import Project
from towline.config.models import Environment
from towline.config.redaction import KNOWN, Redactor
from towline.engines.base import Engine
from towline.engines.bundle import Bundle, Draft, Source
from towline.engines.factory import make_engine
from towline.engines.observed import ObservedState
from towline.environments.fence import Fence
from towline.environments.memo import Memo
from towline.environments.retained_secrets import learn_retained
from towline.errors import HostLost, TowlineError, UsageError
from towline.hosts.base import Files, Host
from towline.hosts.guard import guarded_files, guarded_host
from towline.hosts.local import LocalHost
from towline.hosts.once import once
from towline.hosts.transfers import TransferStatistics
from towline.hosts.waiting import is_transient
from towline.images.registries import Registries
from towline.images.registry import RemoteImage
from towline.routing.nginx import Routes
from towline.state.journal import Journal
from towline.state.releases import Release, ReleaseStore, StateFolder

T = TypeVar("T")


@dataclass(frozen=True)
class HostEnvironment:
    """One environment of a project, on one of its hosts.

    Attributes:
        here: This machine, where the Compose file is resolved and images are built.
        registries: Where images come from; the hosts of an environment share it.
        transferred: What travelled to the host so far; the host counts its commands there.
        memo: What was found out for all hosts; they share it.
        fence: Asked before anything of the environment is changed; its hosts share it.
    """

    project: Project
    name: str
    host: Host
    state: StateFolder
    here: Host = field(default_factory=LocalHost)
    registries: Registries = field(default_factory=Registries)
    transferred: TransferStatistics = field(default_factory=TransferStatistics)
    memo: Memo = field(default_factory=Memo)
    fence: Fence = field(default_factory=Fence)

    @property
    def remote(self) -> bool:
        """Whether its host is another machine."""
        return self.host is not self.here

    @cached_property
    def builder(self) -> Engine:
        """Builds images: on this machine, wherever they run; all hosts share it."""
        return self.memo.once("builder", lambda: self._engine(self.here))

    @property
    def environment(self) -> Environment:
        """Its settings."""
        return self.project.environment(self.name)

    @property
    def by_registry(self) -> bool:
        """Whether images come from their registries where these have them."""
        return self.environment.images == "registry"

    def remote_image(self, reference: str) -> RemoteImage | None:
        """What the registry of an image says of it; see `Registries.remote_image`."""
        images = self.engine.images
        return self.registries.remote_image(reference, images.platform(), images.ask_digest)

    @cached_property
    def rollout(self) -> Rollout:
        """Its rollout settings."""
        return self.environment.rollout

    @once
    def values(self) -> Mapping[str, str]:
        """Its variables and secrets."""
        return read_values(self.project, self.name)

    @once
    def redactor(self) -> Redactor:
        """Masks its secrets, and those that retained releases still run with."""
        names = self.environment.secrets
        KNOWN.learn(self.values, self.registries.secrets(), names=names)
        secret_files = self._engine(self.host).secret_files
        learn_retained(self.host.files, self.state.releases, names, secret_files)
        return KNOWN

    @cached_property
    def engine(self) -> Engine:
        """Runs its containers."""
        host = guarded_host(self.host, self._prove_recently)
        return self._engine(host)

    def _engine(self, host: Host) -> Engine:
        kind, project = self.environment.engine, self.project.settings.project
        return make_engine(kind, host, self.state, project, self.name)

    @cached_property
    def files(self) -> Files:
        """The files of its host, for whoever changes the environment; the lock is not one."""
        return guarded_files(self.host.files, self._prove_recently)

    @cached_property
    def store(self) -> ReleaseStore:
        """Its retained releases."""
        return ReleaseStore(self.files, self.state)

    @cached_property
    def journal(self) -> Journal:
        """Its journal."""
        files = guarded_files(self.host.files, partial(self.fence.prove, host=self.host.name))
        return Journal(files, self.state.journal, lambda data: self.redactor.redact_data(data))

    def _prove_recently(self) -> None:
        self.fence.prove_recently(self.host.name)

    def describe(self, version: str, commit: str) -> Bundle:
        """What the deploy tree describes, for this environment."""
        source = Source(
            self.here,
            self.project.deploy_tree.resolve(),
            self.project.compose_files(self.name),
            self.values,
            version,
            commit,
        )
        # Most hosts have the same user and the same folders.
        same = (self.host.user_id(), self.state.root)
        return self.memo.once(
            ("bundle", version, commit, *same), lambda: self.engine.describe(source)
        )

    def draft(self, bundle: Bundle, release: str, version: str, commit: str,
              images: Mapping[str, str]) -> Draft:  # fmt: skip
        """A release of this environment that is not written yet."""
        log = self.environment.analysis.keeps_request_log
        return Draft(bundle, release, version, commit, images, self.rollout.replicas, log)


@dataclass(frozen=True)
class EnvironmentState:
    """What is there: containers, routes, and the releases they belong to.

    Attributes:
        slot: The slot that serves; None when nothing does.
        live: The release that serves.
        standby: The release whose containers are in the other slot.
        unmanaged: The release that serves, when this state folder does not know it.
        detached: Services whose mounts show a folder that was deleted; only asked for plans.
    """

    state: ObservedState
    routes: Routes
    slot: str | None
    live: Release | None
    standby: Release | None
    unmanaged: str = ""
    detached: tuple[str, ...] = ()


@dataclass(frozen=True)
class Away:
    """A host of an environment that is not worked on.

    Attributes:
        host: Its name.
        why: What happened when it was asked; `left out` when nobody asked it.
    """

    host: str
    why: str


@dataclass(frozen=True)
class Fleet:
    """An environment on all its hosts, which move as one.

    Attributes:
        sites: One a host; journal and lock lie on the first, which is the lead.
        away: Hosts that are not worked on.
        leaderless: Why nobody knows which host is the lead; only what changes nothing gets such.
    """

    sites: tuple[HostEnvironment, ...]
    away: tuple[Away, ...] = ()
    leaderless: TowlineError | None = None

    @property
    def lead(self) -> HostEnvironment:
        """The environment on the host that has journal and lock."""
        return self.sites[0]

    def asked(self, ask: Callable[[HostEnvironment], T]) -> list[T | Away]:
        """Ask every host at once; one that cannot be asked is away, the others count."""

        def one(site: HostEnvironment) -> T | Away:
            try:
                return ask(site)
            except Exception as error:
                # Of a single host the error says more.
                if len(self.sites) == 1 or not is_transient(error):
                    raise
                return Away(site.host.name, str(error) or type(error).__name__)

        return self.each(one)

    def each(self, act: Callable[[HostEnvironment], T]) -> list[T]:
        """Do something on every host at once; the first error wins when all are done."""
        if len(self.sites) == 1:
            return [act(self.lead)]

        def one(site: HostEnvironment) -> T:
            try:
                return act(site)
            except HostLost as error:
                name_without(error, site.name, site.host.name)
                raise

        with ThreadPoolExecutor(max_workers=self.lead.rollout.concurrency) as pool:
            return [item.result() for item in [pool.submit(one, site) for site in self.sites]]


def name_without(error: TowlineError, environment: str, host: str) -> None:
    """Let the error of one host that cannot be reached say what works on the others."""
    without = f"`--without {host}` works on the other hosts of {environment}"
    if without not in error.remedy:
        error.remedy = "; ".join(filter(None, [error.remedy, without]))


def observe(site: HostEnvironment) -> EnvironmentState:
    """Look at an environment; changes nothing."""
    observed = site.engine.observe()
    KNOWN.publish(item.service for item in observed.containers)
    routes = site.engine.routes(observed)
    slot = routes.live_slot()
    if slot is None and not observed.role("router"):
        # Without a router the slot that runs is the one that serves.
        running = {item.slot for item in observed.role("app") if item.running}
        slot = min(running, default=None)
    serving = observed.release_of(slot)
    live = site.store.get(serving)
    beside = [item for item in observed.role("app") if item.slot != slot]
    standby = site.store.get(beside[0].release) if beside else None
    unmanaged = "" if live else serving
    return EnvironmentState(observed, routes, slot if live else None, live, standby, unmanaged)


def require_managed(site: HostEnvironment) -> EnvironmentState:
    """Observe, and refuse to touch what another state folder deployed.

    Raises:
        UsageError: When it serves a release that this state folder does not know.
    """
    observed = observe(site)
    if observed.unmanaged:
        raise UsageError(
            f"release {observed.unmanaged} serves on {site.host.name}, and {site.state.root} does "
            "not know it",
            remedy="let TOWLINE_STATE name the folder it was deployed with, or restore that from a "
            f"backup; if it is lost, `inv down --unmanaged {_on(site)}--env {site.name}` removes "
            f"these containers, and `inv deploy --env {site.name}` begins anew",
        )
    return replace(observed, detached=tuple(site.engine.detached(observed.state)))


def _on(site: HostEnvironment) -> str:
    return f"--host {site.host.name} " if site.remote else ""
