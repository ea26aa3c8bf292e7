"""What is to be deployed: the deploy tree as it lies there, or a release that the host keeps."""

from dataclasses import dataclass, field

from towline.config.services import Role
from towline.engines.compose import ComposeEngine
from towline.engines.releases import Release, Status
from towline.engines.stack import Stack
from towline.errors import CheckFailed, UsageError
from towline.findings import errors
from towline.release import drift
from towline.release import manifest as manifests
from towline.release.manifest import Manifest
from towline.release.tree import MANIFEST_FILE
from towline.release.version import parse
from towline.rollout.planner import Before, Candidate, fingerprint
from towline.rollout.site import Site, frozen_values

_DIFF_LINES = 20


@dataclass(frozen=True)
class Promoted:
    """The deploy tree's release, with what is needed to build it.

    Attributes:
        stack: The resolved Compose file; None when the release is kept already.
    """

    manifest: Manifest
    candidate: Candidate
    stack: Stack | None


def read_manifest(site: Site) -> Manifest:
    """The manifest of the deploy tree.

    Raises:
        UsageError: When nothing was promoted yet.
        CheckFailed: When the tree was changed by hand since it was promoted.
    """
    tree = site.project.deploy_tree
    if not (tree / MANIFEST_FILE).is_file():
        raise UsageError(
            f"{tree} holds no promoted release ({MANIFEST_FILE} is missing)",
            remedy="run `inv promote` first",
        )
    manifest = manifests.read(tree)
    wrong = errors(manifests.verify(tree, manifest))
    if wrong:
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


def promoted(site: Site, *, resolve: bool = True) -> Promoted:
    """The deploy tree as a candidate.

    Args:
        site: The environment it is to go to.
        resolve: Ask Compose about the file even when the host keeps this very release.

    Raises:
        UsageError: When this version is kept with another content.
    """
    manifest = read_manifest(site)
    print_ = fingerprint(manifest.content, site.values, site.rollout)
    same_version = [item for item in site.store.all() if item.version == manifest.version]
    for item in same_version:
        if item.content != manifest.content and item.status is Status.GOOD:
            raise UsageError(
                f"{manifest.version} was deployed to {site.name} with another content; "
                "a version names one content",
                remedy="run `inv promote --bump patch`",
            )
    kept = next((item for item in reversed(same_version) if item.fingerprint == print_), None)
    if kept and not resolve:
        return Promoted(manifest, from_kept(site, kept), None)
    stack = site.resolve(manifest.version, manifest.commit)
    images = _images(site, stack, manifest.content)
    candidate = Candidate(
        id=kept.id if kept else site.store.next_id(manifest.version),
        version=manifest.version,
        commit=manifest.commit,
        fingerprint=print_,
        kept=kept,
        images=images.pinned,
        to_build=tuple(sorted(images.to_build)),
        to_pull=tuple(images.to_pull),
        to_ship=tuple(images.to_ship),
        files=_owned(manifest),
        variables=site.values,
        migrations=manifest.migrations,
        roles={name: service.role for name, service in stack.services.items()},
    )
    return Promoted(manifest, candidate, stack)


def from_kept(site: Site, release: Release) -> Candidate:
    """A kept release as a candidate: nothing is to be built or pulled."""
    before = before_of(site, release)
    return Candidate(
        id=release.id,
        version=release.version,
        commit=release.commit,
        fingerprint=release.fingerprint,
        kept=release,
        images=release.images,
        to_build=(),
        to_pull=(),
        files=before.files,
        variables=before.variables,
        migrations=release.migrations,
        roles={name: Role(release.settings(name).role) for name in release.services},
    )


def before_of(site: Site, release: Release | None) -> Before:
    """What a kept release was made of, to compare with."""
    if release is None:
        return Before({}, {})
    files = site.host.files
    manifest = Manifest.model_validate_json(files.read(release.tree / MANIFEST_FILE))
    return Before(_owned(manifest), frozen_values(files, release.folder))


def kept_version(site: Site, version: str, *, other_than: str = "") -> Release:
    """The newest kept release of a version, good ones first.

    Raises:
        UsageError: When the version is no version, or is not kept; lists those that are.
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
        kept = ", ".join(item.id for item in reversed(site.store.all())) or "none"
        raise UsageError(
            f"release {version} is not kept in {site.name}",
            remedy=f"kept releases: {kept}",
        )
    return wanted


@dataclass
class _Images:
    """Where the images of a release come from.

    Attributes:
        pinned: Service -> image, pinned where the host has it.
        to_build: Services whose image has to be built.
        to_pull: Images that the host fetches from a registry.
        to_ship: Images that this machine has, or builds, and the host has not.
    """

    pinned: dict[str, str] = field(default_factory=dict)
    to_build: list[str] = field(default_factory=list)
    to_pull: dict[str, None] = field(default_factory=dict)
    to_ship: dict[str, None] = field(default_factory=dict)


def _images(site: Site, stack: Stack, content: str) -> _Images:
    built = set(stack.built().values())
    found = _Images()
    known: dict[str, str] = {}
    for name, reference in references(stack).items():
        if reference not in known:
            wanted = content if reference in built else ""
            known[reference] = _pinned(site.engine, reference, wanted)
            if not known[reference]:
                here = site.remote and _pinned(site.builder, reference, wanted)
                if here or (site.remote and reference in built):
                    found.to_ship[reference] = None
                elif reference not in built:
                    found.to_pull[reference] = None
        if not known[reference] and name in stack.built():
            is_built = site.remote and _pinned(site.builder, reference, content)
            found.to_build += [] if is_built else [name]
        found.pinned[name] = known[reference] or reference
    return found


def _pinned(engine: ComposeEngine, reference: str, content: str) -> str:
    """The pinned name of an image that an engine has, with the content that is wanted."""
    if not engine.image_id(reference):
        return ""
    if content and engine.image_labels(reference).get("towline.content") != content:
        return ""
    return engine.pinned(reference)


def references(stack: Stack) -> dict[str, str]:
    """Service -> the image name that the Compose file gives it."""
    built = stack.built()
    return {
        name: str(definition.get("image") or built.get(name, ""))
        for name, definition in stack.model["services"].items()
    }


def _owned(manifest: Manifest) -> dict[str, str]:
    """Configuration files only: code is described by its commit."""
    return {
        path: record.sha256
        for path, record in manifest.files.items()
        if not manifest.promotes(path)
    }
