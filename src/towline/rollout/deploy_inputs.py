"""What is to be deployed: the deploy tree as it lies there, or a release that the host keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from towline.config.services import Role, count_replicas
from towline.engines.bundle import Bundle
from towline.environments import host_files
from towline.environments.host_environment import HostEnvironment
from towline.environments.host_files import HostFiles
from towline.environments.retained_secrets import frozen_values
from towline.errors import CheckFailed, UsageError
from towline.findings import errors
from towline.hosts.base import Files
from towline.promotion import manifest as manifests
from towline.promotion.manifest import Manifest
from towline.promotion.tree import MANIFEST_FILE
from towline.rollout.arrivals import Lost, lost, lost_if_complete
from towline.rollout.image_sources import find_images
from towline.rollout.planner import Baseline, Candidate, fingerprint
from towline.state.releases import Release, Status
from towline.versions.version import parse

_DIFF_LINES = 20


@dataclass(frozen=True)
class Promoted:
    """The deploy tree's release, with what is needed to build it.

    Attributes:
        bundle: What the deploy tree describes; None when the release is retained already.
        host_files: The keys and secrets that its app services read.
    """

    manifest: Manifest
    candidate: Candidate
    bundle: Bundle | None
    host_files: HostFiles = field(default_factory=dict)


@dataclass(frozen=True)
class Identifiers:
    """What releases are called on all hosts: one release has one identifier everywhere.

    Attributes:
        known: Fingerprint -> identifier.
        taken: Every identifier that some host uses.
    """

    known: Mapping[str, str] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()

    def choose(self, site: HostEnvironment, version: str, fingerprint: str) -> str:
        """The identifier of a release that a host does not retain yet."""
        same = self.known.get(fingerprint, "")
        if same and site.store.get(same) is None:
            return same
        return site.store.next_id(version, self.taken)


def read_manifest(site: HostEnvironment) -> Manifest:
    """The manifest of the deploy tree.

    Raises:
        UsageError: When nothing was promoted yet.
        CheckFailed: When the tree was changed by hand since it was promoted.
    """
    return site.memo.once("manifest", lambda: _read_manifest(site))


def _read_manifest(site: HostEnvironment) -> Manifest:
    tree = site.project.deploy_tree
    if not (tree / MANIFEST_FILE).is_file():
        raise UsageError(
            f"{tree} holds no promoted release ({MANIFEST_FILE} is missing)",
            remedy="run `inv promote` first",
        )
    manifest = manifests.read(tree)
    wrong = errors(manifests.verify(tree, manifest))
    if wrong:
        from towline.promotion import drift

        found = drift.find(site.project)
        shown = [site.redactor.redact(line) for line in found.diff().splitlines()[:_DIFF_LINES]]
        raise CheckFailed(
            f"{tree} is not what was promoted as {manifest.version}: {wrong[0].message}",
            details=[*(finding.message for finding in wrong[1:6]), *shown],
            remedy="`inv promote.drift` shows it; `inv promote.backport` brings it into the source "
            "tree, and `inv promote` makes it a release"
            if found.files
            else "`inv promote` makes it a release, `git checkout` takes the change back",
        )
    return manifest


def promoted(
    site: HostEnvironment,
    live: Release | None = None,
    *,
    resolve: bool = True,
    identifiers: Identifiers | None = None,
) -> Promoted:
    """The deploy tree as a candidate.

    Args:
        site: The environment it is to go to.
        live: The release that serves there; keys and secrets that are not here come from it.
        resolve: Describe the deploy tree even when the host keeps this very release.
        identifiers: What releases are called on the other hosts.

    Raises:
        UsageError: When this version is retained with another content, or a service reads a key or
            secret that is nowhere.
    """
    manifest = read_manifest(site)
    same_version = [item for item in site.store.all() if item.version == manifest.version]
    for item in same_version:
        if item.content != manifest.content and item.status is Status.GOOD:
            raise UsageError(
                f"{manifest.version} was deployed to {site.name} with another content; "
                "versions are immutable",
                remedy="run `inv promote --bump patch`",
            )

    def print_of(wanted: host_files.Wanted) -> tuple[str, host_files.HostFiles]:
        found = host_files.of_release(site, wanted, live)
        own = host_files.digests(found)
        compose = site.environment.compose
        return fingerprint(manifest.content, site.values, site.rollout, own, compose=compose), found

    retained, missing = None, None
    for item in reversed(same_version):
        print_, found = print_of(host_files.wanted_of(site.engine, item))
        # One that lost an image for good is built anew: the deploy tree is here.
        if item.fingerprint == print_ and (missing := lost_if_complete(site, item)) is not None:
            retained = item
            break
    if retained and not resolve:
        return Promoted(manifest, from_retained(site, retained, missing), None)
    bundle = site.describe(manifest.version, manifest.commit)
    if retained is None:
        print_, found = print_of(host_files.wanted_by(bundle))
    images = find_images(site, bundle, manifest.content)
    candidate = Candidate(
        id=retained.id
        if retained
        else (identifiers or Identifiers()).choose(site, manifest.version, print_),
        version=manifest.version,
        commit=manifest.commit,
        fingerprint=print_,
        retained=retained,
        images=images.pinned,
        to_build=tuple(sorted(images.to_build)),
        to_push=tuple(images.to_push),
        to_pull=tuple(images.to_pull.values()),
        to_ship=tuple(images.to_ship.values()),
        files=_owned(manifest),
        variables=site.values,
        migrations=manifest.migrations,
        host_files=host_files.digests(found),
        replicas=_app_replicas(site, bundle),
        roles={name: service.role for name, service in bundle.services.items()},
        schema_jobs=tuple(
            name
            for name, service in bundle.services.items()
            if service.role is Role.JOB and service.changes_schema
        ),
    )
    return Promoted(manifest, candidate, bundle, found)


def from_retained(
    site: HostEnvironment, release: Release, missing: Lost | None = None
) -> Candidate:
    """A retained release as a candidate: nothing is built; images that it lost are fetched.

    Args:
        site: The environment on a host that retains it.
        release: The release.
        missing: The images that it lost; its engine is asked when they are not given.

    Raises:
        UsageError: When an image that it lost is nowhere to be had.
    """
    before = read_baseline(site, release)
    to_pull, to_ship = missing or lost(site, release)
    return Candidate(
        id=release.id,
        version=release.version,
        commit=release.commit,
        fingerprint=release.fingerprint,
        retained=release,
        images=release.images,
        to_build=(),
        to_pull=to_pull,
        to_ship=to_ship,
        files=before.files,
        variables=before.variables,
        host_files=before.host_files,
        replicas=release.counts(Role.APP),
        migrations=release.migrations,
        roles={name: Role(release.settings(name).role) for name in release.services},
        schema_jobs=tuple(release.schema_jobs),
    )


def read_baseline(site: HostEnvironment, release: Release | None) -> Baseline:
    """What a retained release was made of, to compare with."""
    if release is None:
        return Baseline({}, {})
    files = site.host.files
    own = {path: str(record["sha256"]) for path, record in release.host_files.items()}
    return Baseline(
        _owned(retained_manifest(files, release)), frozen_values(files, release.folder), own
    )


def retained_manifest(files: Files, release: Release) -> Manifest:
    """What a retained release was promoted as."""
    return Manifest.model_validate_json(files.read(release.tree / MANIFEST_FILE))


def retained_version(site: HostEnvironment, version: str, *, other_than: str = "") -> Release:
    """The newest retained release of a version, good ones first.

    Raises:
        UsageError: When the version is no version, or is not retained; lists those that are.
    """
    wanted = site.store.get(version) or None
    if wanted is None:
        text = str(parse(version))
        found = [
            item for item in site.store.all() if item.version == text and item.id != other_than
        ]
        found.sort(key=lambda item: item.status is not Status.BAD)
        wanted = found[-1] if found else None
    if wanted is None:
        if other_than and text == getattr(site.store.get(other_than), "version", ""):
            raise UsageError(
                f"{other_than} is live already",
                remedy="`inv rollback --list-versions` shows what else there is",
            )
        retained = ", ".join(item.id for item in reversed(site.store.all())) or "none"
        raise UsageError(
            f"release {version} is not retained in {site.name}",
            remedy=f"retained releases: {retained}",
        )
    return wanted


def _app_replicas(site: HostEnvironment, bundle: Bundle) -> dict[str, int]:
    given = site.rollout.replicas
    apps = bundle.named(Role.APP)
    return {name: count_replicas(given, name, bundle.services[name]) or 1 for name in apps}


def _owned(manifest: Manifest) -> dict[str, str]:
    """Configuration files only: code is described by its commit."""
    return {
        path: record.sha256
        for path, record in manifest.files.items()
        if not manifest.promotes(path)
    }
