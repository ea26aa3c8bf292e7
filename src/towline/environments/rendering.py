"""What a release's Compose files are rendered for, on one host."""

from collections.abc import Iterator, Mapping

from towline.engines.compose.render import Definition, Target, colour_model, kept_model
from towline.engines.compose.stack import Stack
from towline.engines.world import COLOURS
from towline.environments.site import Site


def target(
    site: Site, release: str, version: str, commit: str, images: Mapping[str, str]
) -> Target:
    """The target of a release on the host of a site."""
    return Target(
        project=site.project.settings.project,
        environment=site.name,
        release=release,
        version=version,
        commit=commit,
        images=images,
        replicas=site.rollout.replicas,
        here=site.project.deploy_tree.resolve(),
        tree=site.state.releases / release / "tree",
        live=site.state.live,
        names=site.engine.names(),
    )


def models(stack: Stack, wanted: Target) -> Iterator[tuple[str, Definition]]:
    """Every rendered file of a release: its name and what it holds."""
    for colour in COLOURS:
        yield f"{colour}.json", colour_model(stack, wanted, colour)
    yield "kept.json", kept_model(stack, wanted)
