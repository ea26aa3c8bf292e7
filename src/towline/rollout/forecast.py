"""What a release does to backing services and the router of a host, known before it is done."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from towline.engines.compose.effects import Effect
from towline.engines.compose.persistent import Rendered
from towline.engines.compose.render import kept_model
from towline.engines.compose.stack import Stack
from towline.environments import rendering
from towline.environments.site import Observed, Site
from towline.promotion.manifest import Manifest
from towline.rollout.candidates import kept_manifest, read_manifest
from towline.rollout.planner import Candidate
from towline.state.releases import Release


def find_effects(
    site: Site,
    observed: Observed,
    candidate: Candidate,
    stack: Stack | None,
    renewed: Mapping[str, Sequence[Path]],
) -> tuple[Effect, ...]:
    """What happens to persistent services when a candidate is deployed.

    Args:
        site: The environment on one host.
        observed: What is there.
        candidate: What is to be deployed.
        stack: Its resolved Compose file, where the host does not retain the release yet.
        renewed: Service -> host files that it reads and that will change.
    """
    wanted: Rendered | Release
    if candidate.kept:
        manifest = kept_manifest(site.host.files, candidate.kept)
        wanted = candidate.kept
    else:
        manifest = read_manifest(site)
        stack = stack or site.resolve(manifest.version, manifest.commit)
        wanted = _rendered(site, candidate, stack)
    now = _digests(manifest)
    live = observed.live
    was = _digests(kept_manifest(site.host.files, live)) if live else now
    return tuple(site.engine.forecast(wanted, was, now, renewed))


def _rendered(site: Site, candidate: Candidate, stack: Stack) -> Rendered:
    version, commit = candidate.version, candidate.commit
    target = rendering.target(site, candidate.id, version, commit, candidate.images)
    signals = {name: item.reload for name, item in stack.services.items() if item.reload}
    return Rendered(kept_model(stack, target), signals)


def _digests(manifest: Manifest) -> dict[str, str]:
    return {path: record.sha256 for path, record in manifest.files.items()}
