"""Where a host gets the images of a release: built, pulled by digest, or sent from this machine."""

import json
from dataclasses import dataclass, field

from towline.config.loading import Project
from towline.engines.bundle import Bundle
from towline.engines.image_store import ImageStore
from towline.environments.host_environment import HostEnvironment
from towline.errors import UsageError
from towline.images.registry import CONTENT, RemoteImage, repository, split
from towline.rollout.planner import Transfer


@dataclass
class ImageSources:
    """Where the images of a release come from.

    Attributes:
        pinned: Service -> image, pinned where it is known.
        to_build: Services whose image has to be built.
        to_push: Images that are built here and travel by their registry.
        to_pull: Images that the host fetches from a registry, by their name.
        to_ship: Images that this machine has, or builds, and sends itself, by their name.
        shipped: Layers of these, by diff id.
    """

    pinned: dict[str, str] = field(default_factory=dict)
    to_build: list[str] = field(default_factory=list)
    to_push: dict[str, None] = field(default_factory=dict)
    to_pull: dict[str, Transfer] = field(default_factory=dict)
    to_ship: dict[str, Transfer] = field(default_factory=dict)
    shipped: set[str] = field(default_factory=set)


def find_images(site: HostEnvironment, bundle: Bundle, content: str) -> ImageSources:
    """Where each image of the deploy tree comes from, for one host.

    Args:
        site: The environment on the host.
        bundle: What the deploy tree describes.
        content: Digest of the content that images are built from.

    Raises:
        UsageError: When an image is nowhere to be had, or the registry has another one.
    """
    found = ImageSources()
    names, built = bundle.images, bundle.built
    for reference in dict.fromkeys(names.values()):
        services = [name for name, given in names.items() if given == reference]
        makers = [name for name in services if name in built]
        exact = exact_name(site.project, reference)
        pinned = _pinned(site.engine.images, exact, content if makers else "")
        if not pinned and makers:
            _bring_built(site, found, reference, makers, content)
        elif not pinned:
            _bring(site, found, reference)
        fetched = found.to_pull.get(reference)
        for name in services:
            found.pinned[name] = pinned or (fetched.pinned if fetched else "") or reference
    return found


def _bring_built(
    site: HostEnvironment, found: ImageSources, reference: str, makers: list[str], content: str
) -> None:
    """An image of the project's own that the host lacks."""
    is_here = bool(site.remote and _pinned(site.builder.images, reference, content))
    by_registry = site.by_registry and site.registries.pushes(reference)
    if by_registry:
        remote_image = site.remote_image(reference)
        # Where the registry cannot be asked from here, the label is looked at when it was pulled.
        if remote_image and remote_image.layers and remote_image.labels.get(CONTENT) != content:
            raise other_content(reference)
        if remote_image:
            found.to_pull[reference] = _from_registry(site, reference, remote_image)
            return
    if not is_here:
        found.to_build += makers
    if not site.remote:
        return
    if by_registry:
        found.to_push[reference] = None
        found.to_pull[reference] = Transfer(reference)
    else:
        found.to_ship[reference] = _over_ssh(site, found, reference, is_here=is_here)


def other_content(reference: str) -> UsageError:
    """What to say when a registry has another image under the name of this version."""
    return UsageError(
        f"{reference} in the registry was not built from what is promoted; versions are immutable",
        remedy="promote a new version: `inv promote --bump patch`",
    )


def _bring(site: HostEnvironment, found: ImageSources, reference: str) -> None:
    """An image of others that the host lacks."""
    exact = exact_name(site.project, reference)
    pinned_here = _pinned(site.builder.images, exact, "") if site.remote else ""
    # What only this machine has, no registry can give.
    if pinned_here and ("@" not in pinned_here or not site.by_registry):
        found.to_ship[reference] = _over_ssh(site, found, reference, is_here=True)
        return
    if not site.by_registry:
        raise UsageError(
            f"{reference} is not on this machine, and {site.name} gets its images from here "
            "(images: ssh)",
            remedy=f"docker pull {reference}",
        )
    # What was tried here is what the hosts get, whatever the tag means by now.
    same = f"{repository(reference)}@{pinned_here.rpartition('@')[2]}" if pinned_here else exact
    remote_image = site.remote_image(same)
    if remote_image is None:
        raise UsageError(
            f"the registry {split(reference).registry} has no image {reference}",
            remedy="fix its name in the compose file",
        )
    found.to_pull[reference] = _from_registry(site, reference, remote_image)


def _from_registry(site: HostEnvironment, reference: str, remote_image: RemoteImage) -> Transfer:
    size = None
    if remote_image.layers:
        there = site.engine.images.count_known([layer.diff for layer in remote_image.layers])
        size = sum(layer.size for layer in remote_image.layers[there:])
    return Transfer(reference, f"{repository(reference)}@{remote_image.digest}", size)


def exact_name(project: Project, reference: str) -> str:
    """An image's name, by digest where the promotion recorded one (`promote.pin_images`)."""
    from towline.promotion.generated import IMAGES_FILE

    file = project.deploy_tree / IMAGES_FILE
    if "@" in reference or not file.is_file():
        return reference
    for item in json.loads(file.read_bytes()).values():
        if item["image"] == reference and item.get("digest"):
            return f"{repository(reference)}@{item['digest']}"
    return reference


def _over_ssh(
    site: HostEnvironment, found: ImageSources, reference: str, *, is_here: bool
) -> Transfer:
    if not is_here:
        return Transfer(reference)
    # Images that are built on each other share layers, which travel once.
    layers = site.engine.images.missing_layers(site.builder.images, reference)
    size = sum(count for diff, count in layers.items() if diff not in found.shipped)
    found.shipped |= layers.keys()
    return Transfer(reference, size=size)


def _pinned(images: ImageStore, reference: str, content: str) -> str:
    """The pinned name of an image that an engine has, with the content that is wanted."""
    found = images.find(reference)
    if found is None or (content and found.content != content):
        return ""
    return found.pinned
