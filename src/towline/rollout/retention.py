"""Which releases are retained, and forgetting the others with their images."""

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from towline.environments import place
from towline.environments.host_environment import HostEnvironment
from towline.errors import TowlineError
from towline.state.releases import Release, ReleaseStore, StateFolder, Status


def surplus(releases: list[Release], keep: int, used: set[str]) -> list[Release]:
    """The releases to forget, oldest first.

    The newest `keep` good ones stay, whatever containers belong to stays, and one that is bad or
    was never proven (an aborted canary) stays as long as it is newer than the oldest retained one:
    its logs are wanted. It takes the place of no release that somebody can roll back to.
    """
    good = [item for item in releases if item.status is Status.GOOD]
    retained = {item.id for item in good[-keep:]} | used
    oldest = min((item.order for item in releases if item.id in retained), default=(0, ""))
    return [
        item
        for item in releases
        if item.id not in retained and (item.status is Status.GOOD or item.order < oldest)
    ]


def prune(site: HostEnvironment, serving: Release, keep: int) -> list[str]:
    """Forget surplus releases, and the images built for them that no retained one names.

    What another environment keeps counts too, wherever it lies beside this one. An image that a
    container uses is left in any case: the engine refuses to remove it, and is not forced. This
    machine forgets what it built for another host, too, but for what its own environments keep.

    Returns:
        What was done, a phrase each.
    """
    used = {item.release for item in site.engine.observe().containers} | {serving.id}
    gone = surplus(site.store.all(), keep, used)
    if not gone:
        return []
    done = [f"removed {', '.join(release.id for release in gone)}"]
    for release in gone:
        left = site.store.remove(release)
        if left:
            done.append(f"left in {release.folder}, not made by Towline: {', '.join(left)}")
    try:
        named = _named(site.store, *_others(site))
    except (OSError, TowlineError) as error:
        # Nobody knows what that environment needs to roll back to.
        return [*done, f"left their images: {error}"]
    remove_images(site, gone, named)
    if site.remote:
        done += _forget_here(site, gone, named)
    return done


def image_names(
    site: HostEnvironment, releases: Iterable[Release], named: Collection[str]
) -> list[str]:
    """What images that were built for releases are called on their host; see `remove_images`."""
    found = {
        name
        for release in releases
        for image in set(release.images.values()) - set(named)
        for name in site.engine.images.own_names(image, _tags(release))
    }
    return sorted(found)


def remove_images(
    site: HostEnvironment, releases: Iterable[Release], named: Collection[str]
) -> list[str]:
    """Remove the images that were built for releases, on their host.

    Args:
        site: The environment.
        releases: The releases.
        named: Images that stay whoever built them.

    Returns:
        The names and ids that were removed on the host.
    """
    done = []
    for release in releases:
        for image in sorted(set(release.images.values()) - set(named)):
            done += site.engine.images.remove(image, _tags(release))
    return done


def _forget_here(
    site: HostEnvironment, releases: Iterable[Release], named: Collection[str]
) -> list[str]:
    """Remove from this machine what it built for another host and keeps for none of its own.

    Every host that retains a release has its images itself: none needs those of this machine.

    Returns:
        Why it did not, a phrase.
    """
    try:
        retained = {*named, *_named(*_stores_here(site))}
    except (OSError, TowlineError) as error:
        return [f"left their images on this machine: {error}"]
    for release in releases:
        for image in sorted(set(release.images.values()) - retained):
            site.builder.images.remove(image, _tags(release))
    return []


def _stores_here(site: HostEnvironment) -> Iterator[ReleaseStore]:
    """The releases of the environments on this machine: this user's, and this project's."""
    files, root, settings = site.here.files, place.own_root(), site.project.settings
    found = {root / one / name for one in files.names(root) for name in files.names(root / one)}
    for environment in settings.environments.values():
        if environment.state and not environment.hosts:
            found.add(site.project.root / Path(environment.state).expanduser())
    return (ReleaseStore(files, StateFolder(folder)) for folder in sorted(found))


def images_of_others(site: HostEnvironment) -> set[str]:
    """The images that releases of other environments on the host name.

    Raises:
        OSError: When one cannot be read; TowlineError when one is damaged.
    """
    return _named(*_others(site))


def _tags(release: Release) -> set[str]:
    """The tags that a release's images were given."""
    return {_tag(release.version), _tag(f"{release.version}-{release.commit[:12]}")}


def _tag(version: str) -> str:
    """A version as it stands in the tag of an image, which knows no `+`."""
    return version.replace("+", "_")


def _named(*stores: ReleaseStore) -> set[str]:
    """The images of every retained release."""
    return {image for store in stores for item in store.all() for image in item.images.values()}


def _others(site: HostEnvironment) -> Iterator[ReleaseStore]:
    """The other environments on the host, as far as their state lies where this one's does."""
    files, own, config = site.host.files, site.state.root, site.project.settings
    folders = [own.parent]
    if own.parent.name == config.project:
        folders = [own.parent.parent / name for name in files.names(own.parent.parent)]
    for folder in folders:
        for name in files.names(folder):
            if folder / name != own:
                yield ReleaseStore(files, StateFolder(folder / name))
