"""How images come to a host: pulled by digest, or layer by layer from this machine over SSH.

A retained release may have lost its images there (`docker system prune --all`). They come back from
where they are, before anything in the environment is touched.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from towline.config.units import format_size
from towline.environments.site import Site
from towline.errors import TowlineError, UsageError
from towline.images import transfer
from towline.images.archives import Archives
from towline.images.registry import repository, split
from towline.images.shipping import ship
from towline.rollout.lane import Action
from towline.rollout.planner import Candidate, Transfer
from towline.rollout.steps.table import PULL, SHIP
from towline.state.releases import Release


def _believe(_reference: str, _pinned: str) -> None:
    """A digest that was recorded names one content."""


@dataclass
class Arrivals:
    """What a host still needs of a release's images.

    Attributes:
        archives: Images of this machine, for all hosts that they are sent to.
        verify: Looks at what was pulled: its name in the Compose file, and its name by digest.
    """

    site: Site
    candidate: Candidate
    archives: Archives
    verify: Callable[[str, str], None] = _believe

    def pull(self) -> str:
        """Pull the images that are missing, by digest; all hosts pull the same."""
        site = self.site
        amount = 0
        for item in self.candidate.to_pull:
            listing = site.listing(item.reference)
            if listing is None:
                raise TowlineError(
                    f"the registry has no image {item.reference}",
                    remedy="push it, or fix its name",
                )
            pinned = f"{repository(item.reference)}@{listing.digest}"
            auth = site.registries.authentication(item.reference)
            amount += transfer.pull(site.host, pinned, auth, listing)
            self.verify(item.reference, pinned)
            # Compose files, and the next deploy, know it by its tag.
            if "@" not in item.reference:
                site.engine.tag(pinned, split(item.reference).tag)
        site.moved.pulled += amount
        return format_size(amount)

    def ship(self) -> str:
        """Send images to the host, but for the layers that it has."""
        target = self.site.host.docker().api
        sent = []
        aside = []
        for item in self.candidate.to_ship:
            ours = self.site.builder.image(item.reference)
            if ours and ours.content:
                aside.append(self.site.engine.set_aside(item.reference))
            sent.append(ship(self.archives, target, item.reference, self.site.layers))
            self.archives.done(item.reference)
        amount = sum(item.sent for item in sent)
        self.site.moved.sent += amount
        said = [f"{sum(item.layers for item in sent)} layers, {format_size(amount)}"]
        return ", ".join([*said, *filter(None, aside)])


def shared_archives(site: Site, items: Iterable[Transfer]) -> Archives:
    """The images of this machine, which expect that these are sent to one host more."""
    archives: Archives = site.memo.once("archives", lambda: Archives(site.here.docker().api))
    for item in items:
        archives.expect(item.reference)
    return archives


def again(site: Site, candidate: Candidate) -> dict[str, Action]:
    """The actions that bring lost images of a retained release back: step name -> action."""
    if candidate.kept is None or not (candidate.to_pull or candidate.to_ship):
        return {}
    arrivals = Arrivals(site, candidate, shared_archives(site, candidate.to_ship))
    return {PULL: lambda _: arrivals.pull(), SHIP: lambda _: arrivals.ship()}


Lost = tuple[tuple[Transfer, ...], tuple[Transfer, ...]]


def lost_if_complete(site: Site, release: Release) -> Lost | None:
    """The images that a retained release lost; None when one is nowhere to be had."""
    try:
        return lost(site, release)
    except UsageError:
        return None


def lost(site: Site, release: Release) -> Lost:
    """The images that a retained release lost on a host: those to pull, and those to send.

    Raises:
        UsageError: When one is nowhere to be had.
    """
    to_pull, to_ship = [], []
    for image in sorted(site.engine.missing_images(set(release.images.values()))):
        name = site.builder.name_of(image) if site.remote else ""
        if name:
            to_ship.append(Transfer(name))
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
