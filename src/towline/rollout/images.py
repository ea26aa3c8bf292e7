"""Build the images of the promoted release, and say what they are."""

from towline.environments.host_environment import HostEnvironment
from towline.progress import Progress
from towline.rollout.deploy_inputs import promoted
from towline.rollout.planner import short
from towline.rollout.prepare import Preparation, preparation

Row = dict[str, str]


def planned(site: HostEnvironment) -> list[Row]:
    """What a build would make, and what is there already; changes nothing."""
    return _rows(_preparation(site))


def build(site: HostEnvironment, progress: Progress) -> list[Row]:
    """Build every image of the release; unchanged layers come from the engine's cache."""
    prepared = _preparation(site)
    names = sorted(prepared.bundle.built)
    if names:
        with progress.step(f"build {', '.join(names)}"):
            prepared.build(everything=True)
    return _rows(prepared)


def _preparation(site: HostEnvironment) -> Preparation:
    return preparation(site, promoted(site))


def _rows(prepared: Preparation) -> list[Row]:
    builder, content = prepared.site.builder, prepared.manifest.content
    rows = []
    for name, image in sorted(prepared.bundle.built.items()):
        found = builder.images.find(image)
        fresh = found is not None and found.content == content
        rows.append(
            {
                "service": name,
                "image": image,
                "id": short(found.id) if found else "",
                "state": "built" if fresh else "from other content" if found else "to be built",
            }
        )
    return rows
