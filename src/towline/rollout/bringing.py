"""Bring a retained release to a host that lacks it: one that was added, replaced or away.

Its files come from a host that has the release, and its images from there too, or by digest from
their registry. So the release is the same, whatever is promoted by now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from towline.config.units import format_size
from towline.engines.bundle import PERSISTENT, Guest
from towline.environments.host_environment import Fleet, HostEnvironment, observe
from towline.errors import TowlineError, UsageError
from towline.hosts.reading import read_tree, walk
from towline.promotion.tree import MANIFEST_FILE
from towline.rollout.deploy_inputs import from_retained, retained_manifest, retained_version
from towline.rollout.forecast import Wanted, digests
from towline.rollout.host_rollout import CancellationCheck, HostRollout
from towline.rollout.plan import Plan
from towline.rollout.planner import Candidate
from towline.state.releases import Release, Status


def counterpart(site: HostEnvironment, release: Release) -> Release | None:
    """The same release on a host, which may have another identifier there."""
    same = [item for item in site.store.all() if item.fingerprint == release.fingerprint]
    return next((item for item in same if item.id == release.id), same[-1] if same else None)


def find(fleet: Fleet, version: str) -> tuple[HostEnvironment, Release]:
    """A retained release by its version, and a host that has it; the lead is asked first.

    Raises:
        UsageError: When no host has it.
    """
    errors = []
    for site in fleet.sites:
        try:
            return site, retained_version(site, version)
        except UsageError as error:
            errors.append(error)
    raise errors[0]


def live_elsewhere(fleet: Fleet, site: HostEnvironment) -> tuple[HostEnvironment, Release]:
    """What serves on the other hosts, and one of these.

    Raises:
        UsageError: When nothing serves there, or they differ.
    """
    others = [item for item in fleet.sites if item is not site]
    found = [(item, seen.live) for item in others if (seen := observe(item)).live]
    served = {release.fingerprint: release.id for _, release in found if release}
    if len(served) != 1:
        what = " and ".join(sorted(served.values())) or "nothing"
        raise UsageError(
            f"{what} serves on the other hosts of {site.name}, so nobody knows what "
            f"{site.host.name} is to get",
            remedy=f"`inv deploy --env {site.name}` brings all hosts to the promoted release",
        )
    source, release = found[0]
    assert release is not None  # noqa: S101 - only hosts where one serves were taken
    return source, release


def candidate(source: HostEnvironment, release: Release) -> Candidate:
    """A release of another host as what is to be deployed; it is not retained here yet."""
    return replace(from_retained(source, release), retained=None, to_pull=(), to_ship=())


def idle(site: HostEnvironment, release: Release) -> HostRollout:
    """A host that does nothing; it may still have the journal."""
    seen = observe(site)
    plan = Plan(
        kind="deploy",
        project=site.project.settings.project,
        environment=site.name,
        release=release.id,
        version=release.version,
        commit=release.commit,
        live=seen.live.id if seen.live else "",
        slot=seen.slot or "blue",
        old_slot=seen.slot,
        old=seen.live,
        strategy="idle",
    )
    return HostRollout(site, plan)


@dataclass(frozen=True)
class Bringing:
    """The step that brings a release from one host to another.

    Attributes:
        source: The environment on the host that has the release.
        release: The release there.
        site: The environment on the host that is to have it.
    """

    source: HostEnvironment
    release: Release
    site: HostEnvironment

    def __call__(self, _: CancellationCheck) -> str:
        """Bring it over; returns the figures.

        Raises:
            TowlineError: When the host has another release of that name, or an image is gone.
        """
        there = self.site.store.get(self.release.id)
        if there and there.fingerprint != self.release.fingerprint:
            raise TowlineError(
                f"{self.site.host.name} retains another release {there.id} than "
                f"{self.source.host.name}",
                remedy=f"remove {there.folder} there, if nothing runs of it",
            )
        sent = sum(self._image(image) for image in sorted(set(self.release.images.values())))
        self.site.transferred.sent += sent
        if there is None:
            self._folder()
        self._host_files()
        return f"from {self.source.host.name}, {format_size(sent)} of images"

    def wanted(self) -> Wanted:
        """What the release describes, as it will be on this host."""
        files = digests(retained_manifest(self.source.host.files, self.release))
        return Wanted(self._guest, files)

    @property
    def _guest(self) -> Guest:
        return Guest(self.release, self.source.host)

    def _image(self, image: str) -> int:
        source, target = self.source.engine.images, self.site.engine.images
        if target.find(image) is not None:
            return 0
        if "@" in image:
            auth = self.site.registries.authentication(image)
            return target.pull(image, auth, self.site.remote_image(image))
        source.expect(image)
        try:
            sent = target.receive(source, image).sent
        finally:
            source.done(image)
        # An image that came by its id gets the names that it has at the source.
        for name in source.names(image):
            if name != image:
                target.tag(image, name)
        return sent

    def _folder(self) -> None:
        own, old = self.site.state.releases / self.release.id, self.release.folder
        modes, files = self._modes(), {}
        for path, data in read_tree(self.source.host.files, old).items():
            inside = path.relative_to(old)
            if inside.parts[0] not in ("logs", "release.json"):
                own_data = self.site.engine.adopt(self._guest, inside, data)
                files[str(inside)] = (own_data, modes.get(str(inside), 0o600))
        release = replace(self.release, folder=own, status=Status.NEW, reason="")
        self.site.store.add(release, files)

    def _modes(self) -> dict[str, int]:
        """Modes of the promoted files, and of the keys and secrets among them."""
        promoted = retained_manifest(self.source.host.files, self.release).files
        modes = {f"tree/{name}": int(record.mode, 8) for name, record in promoted.items()}
        modes[f"tree/{MANIFEST_FILE}"] = 0o644
        for name, record in self.release.host_files.items():
            modes[f"tree/{name}"] = int(record["mode"], 8)
        return modes

    def _host_files(self) -> None:
        """Certificates and secret files, which belong to no release, where this host lacks them."""
        engine = self.source.engine
        reads = engine.reads(self.release, *PERSISTENT)
        there, own = engine.configuration, self.site.engine.configuration
        tree = self.source.host.files.folder(self.release.tree)
        self.site.files.mkdir(own.root)
        for path in {path for paths in reads.values() for path in paths}:
            for item in walk(there, path):
                entry = there.entry(item)
                if entry and tree.entry(item) is None and own.entry(item) is None:
                    own.overwrite(item, there.read(item), entry.mode, entry.owner)
