"""Which releases are kept, and forgetting the others with their images."""

from towline.engines.releases import Release, Status
from towline.rollout.site import Site


def surplus(releases: list[Release], keep: int, used: set[str]) -> list[Release]:
    """The releases to forget, oldest first.

    The newest `keep` good ones stay, whatever containers belong to stays, and a bad one stays
    as long as it is newer than the oldest kept one: its logs are wanted.
    """
    good = [item for item in releases if item.status is not Status.BAD]
    kept = {item.id for item in good[-keep:]} | used
    oldest = min((item.created for item in releases if item.id in kept), default="")
    return [
        item
        for item in releases
        if item.id not in kept and (item.status is not Status.BAD or item.created < oldest)
    ]


def prune(site: Site, serving: Release, keep: int) -> list[str]:
    """Forget surplus releases and remove images that no kept release names.

    An image that any container uses, of this environment or another, is left: the engine
    refuses to remove it, and Towline does not force it.
    """
    used = {item.release for item in site.engine.observe().containers} | {serving.id}
    removed = []
    for release in surplus(site.store.all(), keep, used):
        site.store.remove(release)
        still = {image for item in site.store.all() for image in item.images.values()}
        for image in set(release.images.values()) - still:
            site.engine.remove_image(image)
        removed.append(release.id)
    return removed
