"""How images come to a host: pulled by digest, or layer by layer from this machine over SSH.

A retained release may have lost its images there (`docker system prune --all`). They come back from
where they are, before anything in the environment is touched.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from towline.config.units import format_size
from towline.environments.host_environment import HostEnvironment
from towline.errors import TowlineError, UsageError
from towline.images.registry import repository
from towline.rollout.host_rollout import Action
from towline.rollout.planner import Candidate, Transfer
from towline.rollout.steps.table import PULL, SHIP
from towline.state.releases import Release


def _believe(_reference: str, _pinned: str) -> None:
    """A digest that was recorded names one content."""


@dataclass
class Arrivals:
    """What a host still needs of a release's images.

    Attributes:
        verify: Looks at what was pulled: its name in the Compose file, and its name by digest.
    """

    site: HostEnvironment
    candidate: Candidate
    verify: Callable[[str, str], None] = _believe

    def pull(self) -> str:
        """Pull the images that are missing, by digest; all hosts pull the same."""
        site = self.site
        amount = 0
        for item in self.candidate.to_pull:
            remote_image = site.remote_image(item.reference)
            if remote_image is None:
                raise TowlineError(
                    f"the registry has no image {item.reference}",
                    remedy="push it, or fix its name",
                )
            pinned = f"{repository(item.reference)}@{remote_image.digest}"
            auth = site.registries.authentication(item.reference)
            amount += site.engine.images.pull(pinned, auth, remote_image)
            self.verify(item.reference, pinned)
            # Compose files, and the next deploy, know it by its tag.
            if "@" not in item.reference:
                site.engine.images.tag(pinned, item.reference)
        site.transferred.pulled += amount
        return format_size(amount)

    def ship(self) -> str:
        """Send images to the host, but for the layers that it has."""
        source, target, sent = self.site.builder.images, self.site.engine.images, []
        aside = []
        for item in self.candidate.to_ship:
            ours = source.find(item.reference)
            if ours and ours.content:
                aside.append(target.set_aside(item.reference))
            sent.append(target.receive(source, item.reference))
            source.done(item.reference)
        amount = sum(item.sent for item in sent)
        self.site.transferred.sent += amount
        said = [f"{sum(item.layers for item in sent)} layers, {format_size(amount)}"]
        return ", ".join([*said, *filter(None, aside)])


def expect(site: HostEnvironment, items: Iterable[Transfer]) -> None:
    """Say that images of this machine are to be sent to one host more."""
    for item in items:
        site.builder.images.expect(item.reference)


def again(site: HostEnvironment, candidate: Candidate) -> dict[str, Action]:
    """The actions that bring lost images of a retained release back: step name -> action."""
    if candidate.retained is None or not (candidate.to_pull or candidate.to_ship):
        return {}
    expect(site, candidate.to_ship)
    arrivals = Arrivals(site, candidate)
    return {PULL: lambda _: arrivals.pull(), SHIP: lambda _: arrivals.ship()}


Lost = tuple[tuple[Transfer, ...], tuple[Transfer, ...]]


def lost_if_complete(site: HostEnvironment, release: Release) -> Lost | None:
    """The images that a retained release lost; None when one is nowhere to be had."""
    try:
        return lost(site, release)
    except UsageError:
        return None


def lost(site: HostEnvironment, release: Release) -> Lost:
    """The images that a retained release lost on a host: those to pull, and those to send.

    Raises:
        UsageError: When one is nowhere to be had.
    """
    to_pull, to_ship = [], []
    for image in sorted(site.engine.images.missing(set(release.images.values()))):
        names = site.builder.images.names(image) if site.remote else []
        if names:
            to_ship.append(Transfer(names[0]))
        elif "@" in image and site.by_registry:
            to_pull.append(Transfer(image, image))
        else:
            service = next(name for name, used in release.images.items() if used == image)
            raise UsageError(
                f"the image of {service} in release {release.id} is no longer on {site.host.name}: "
                f"{image}",
                remedy=f"choose another release: `inv rollback --env {site.name} --list-versions`; "
                "or promote that version's commit anew and deploy it",
            )
    return tuple(to_pull), tuple(to_ship)
