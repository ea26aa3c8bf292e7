"""An environment in hand: its settings, variables, host, engine, kept releases and journal."""

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
from towline.config.units import format_size
from towline.engines.base import Engine
from towline.engines.bundle import Bundle, Draft, Source
from towline.engines.factory import make_engine
from towline.engines.world import World
from towline.environments.fence import Fence
from towline.environments.memo import Memo
from towline.environments.retained_secrets import learn_retained
from towline.errors import HostLost, TowlineError, UsageError
from towline.hosts.base import Files, Host
from towline.hosts.guard import guarded_files, guarded_host
from towline.hosts.local import LocalHost
from towline.hosts.once import once
from towline.hosts.waiting import may_pass
from towline.images.registries import Registries
from towline.images.registry import Listing
from towline.routing.nginx import Routes
from towline.state.journal import Journal
from towline.state.releases import Release, ReleaseStore, StateFolder

T = TypeVar("T")


@dataclass
class Moved:
    """Bytes that travelled to a host: from registries, as image layers over SSH, as files."""

    pulled: int = 0
    sent: int = 0
    files: int = 0

    def __str__(self) -> str:
        parts = [
            f"{format_size(self.pulled)} from registries" if self.pulled else "",
            f"{format_size(self.sent)} of layers over SSH" if self.sent else "",
            f"{format_size(self.files)} of files" if self.files else "",
        ]
        return ", ".join(filter(None, parts)) or "nothing"


@dataclass(frozen=True)
class Site:
    """One environment of a project, on one of its hosts.

    Attributes:
        here: This machine, where the Compose file is resolved and images are built.
        registries: Where images come from; the hosts of an environment share it.
        moved: What travelled to the host so far.
        memo: What was found out for all hosts; they share it.
        fence: Asked before anything of the environment is changed; its hosts share it.
    """

    project: Project
    name: str
    host: Host
    state: StateFolder
    here: Host = field(default_factory=LocalHost)
    registries: Registries = field(default_factory=Registries)
    moved: Moved = field(default_factory=Moved)
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

    def listing(self, reference: str) -> Listing | None:
        """What the registry of an image says of it; see `Registries.listing`."""
        images = self.engine.images
        return self.registries.listing(reference, images.platform(), images.ask_digest)

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
        """Its kept releases."""
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
class Observed:
    """What is there: containers, routes, and the releases they belong to.

    Attributes:
        colour: The slot that serves; None when nothing does.
        live: The release that serves.
        standby: The release whose containers are in the other slot.
        stranger: The release that serves, when this state folder does not know it.
        detached: Services whose mounts show a folder that was deleted; only asked for plans.
    """

    world: World
    routes: Routes
    colour: str | None
    live: Release | None
    standby: Release | None
    stranger: str = ""
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

    sites: tuple[Site, ...]
    away: tuple[Away, ...] = ()
    leaderless: TowlineError | None = None

    @property
    def lead(self) -> Site:
        """The environment on the host that has journal and lock."""
        return self.sites[0]

    def asked(self, ask: Callable[[Site], T]) -> list[T | Away]:
        """Ask every host at once; one that cannot be asked is away, the others count."""

        def one(site: Site) -> T | Away:
            try:
                return ask(site)
            except Exception as error:
                # Of a single host the error says more.
                if len(self.sites) == 1 or not may_pass(error):
                    raise
                return Away(site.host.name, str(error) or type(error).__name__)

        return self.each(one)

    def each(self, act: Callable[[Site], T]) -> list[T]:
        """Do something on every host at once; the first error wins when all are done."""
        if len(self.sites) == 1:
            return [act(self.lead)]

        def one(site: Site) -> T:
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


def observe(site: Site) -> Observed:
    """Look at an environment; changes nothing."""
    world = site.engine.observe()
    KNOWN.publish(item.service for item in world.containers)
    routes = site.engine.routes(world)
    colour = routes.live_colour()
    if colour is None and not world.role("router"):
        # Without a router the slot that runs is the one that serves.
        running = {item.colour for item in world.role("app") if item.running}
        colour = min(running, default=None)
    serving = world.release_of(colour)
    live = site.store.get(serving)
    beside = [item for item in world.role("app") if item.colour != colour]
    standby = site.store.get(beside[0].release) if beside else None
    stranger = "" if live else serving
    return Observed(world, routes, colour if live else None, live, standby, stranger)


def require_managed(site: Site) -> Observed:
    """Observe, and refuse to touch what another state folder deployed.

    Raises:
        UsageError: When it serves a release that this state folder does not know.
    """
    observed = observe(site)
    if observed.stranger:
        raise UsageError(
            f"release {observed.stranger} serves on {site.host.name}, and {site.state.root} does "
            "not know it",
            remedy="let TOWLINE_STATE name the folder it was deployed with, or restore that from a "
            f"backup; if it is lost, `inv down --unmanaged {_on(site)}--env {site.name}` removes "
            f"these containers, and `inv deploy --env {site.name}` begins anew",
        )
    return replace(observed, detached=tuple(site.engine.detached(observed.world)))


def _on(site: Site) -> str:
    return f"--host {site.host.name} " if site.remote else ""
