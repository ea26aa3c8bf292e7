"""What a release does to backing services and the router of a host, known before it is done.

Every plan takes its effects from here, whatever brings the release: a deploy, a rollback, a
migration, a way back, or a host that gets what serves on the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from towline.engines.acts import Effect
from towline.engines.bundle import Bundle, Draft, Guest
from towline.environments.host_environment import EnvironmentState, HostEnvironment
from towline.promotion.manifest import Manifest
from towline.rollout.deploy_inputs import read_manifest, retained_manifest
from towline.rollout.planner import Candidate
from towline.state.releases import Release


@dataclass(frozen=True)
class Wanted:
    """What persistent services are to be brought to.

    Attributes:
        description: A release that the host retains, or one that it will get.
        files: Path in the deploy tree -> digest.
    """

    description: Release | Draft | Guest
    files: Mapping[str, str]


def retained(site: HostEnvironment, release: Release) -> Wanted:
    """What a release describes that the host retains."""
    return Wanted(release, digests(retained_manifest(site.host.files, release)))


def candidate(site: HostEnvironment, found: Candidate, bundle: Bundle | None) -> Wanted:
    """What the promoted release describes.

    Args:
        site: The environment on one host.
        found: The promoted release.
        bundle: What the deploy tree describes, where the host does not retain the release yet.
    """
    if found.retained:
        return retained(site, found.retained)
    manifest = read_manifest(site)
    bundle = bundle or site.describe(manifest.version, manifest.commit)
    draft = site.draft(bundle, found.id, found.version, found.commit, found.images)
    return Wanted(draft, digests(manifest))


def find_effects(
    site: HostEnvironment,
    observed: EnvironmentState,
    wanted: Wanted,
    renewed: Mapping[str, Sequence[Path]],
    *,
    last: Release | None = None,
    spare: bool = False,
) -> tuple[Effect, ...]:
    """What happens to persistent services.

    Args:
        site: The environment on one host.
        observed: What is there.
        wanted: What they are to be brought to.
        renewed: Service -> host files that it reads and that will change.
        last: The release whose files they read last; the one that serves when not given.
        spare: Leave backing services that are well as they are: on the way back.
    """
    last = last or observed.live
    was = digests(retained_manifest(site.host.files, last)) if last else wanted.files
    found = site.engine.forecast(wanted.description, was, wanted.files, renewed, spare=spare)
    return tuple(found)


def digests(manifest: Manifest) -> dict[str, str]:
    """Path in the deploy tree -> digest."""
    return {path: record.sha256 for path, record in manifest.files.items()}
