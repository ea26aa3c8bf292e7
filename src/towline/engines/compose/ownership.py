"""The one rule on what may be changed or removed on an engine: only what is ours.

Containers, networks and volumes are ours by two labels, project and environment. Images are ours
by the label of the content that they were built from. Everything else is somebody else's, even
under a name that we would have given: it is named, and nothing is done to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from towline.engines.compose.names import SHARED, Names, compose_project, early_project
from towline.errors import CheckFailed
from towline.findings import Finding, Severity
from towline.images.registry import CONTENT, split

if TYPE_CHECKING:
    from docker import APIClient

CHECK = "ownership"
_PROJECT, _ENVIRONMENT = "towline.project", "towline.env"
_COMPOSE = "com.docker.compose.project"
# Label of an image: where its tags of ours are.
REPOSITORY = "towline.repository"


@dataclass(frozen=True)
class Owner:
    """Whose things are ours: one environment of one project."""

    project: str
    environment: str

    @property
    def labels(self) -> dict[str, str]:
        """What everything of ours carries."""
        return {_PROJECT: self.project, _ENVIRONMENT: self.environment}

    @property
    def filters(self) -> dict[str, list[str]]:
        """The engine's filter for what is ours."""
        return {"label": [f"{name}={value}" for name, value in self.labels.items()]}

    def owns(self, labels: Mapping[str, str] | None) -> bool:
        """Whether something with these labels is ours."""
        return self.labels.items() <= (labels or {}).items()


def is_built(labels: Mapping[str, str] | None) -> bool:
    """Whether an image with these labels was built by Towline."""
    return bool((labels or {}).get(CONTENT))


def own_tags(
    labels: Mapping[str, str] | None, names: Collection[str], tags: Collection[str]
) -> list[str]:
    """Those names of an image that Towline gave it.

    Args:
        labels: The image's labels.
        names: All its names, `REPOSITORY:TAG`.
        tags: Tags that Towline gives.
    """
    if not is_built(labels):
        return []
    given = (labels or {}).get(REPOSITORY)
    if given is None and len({place(name) for name in names}) > 1:
        # Of a Towline before 0.7, and nobody can tell which repository is the project's.
        return []
    wanted = None if given is None else place(given)
    return [name for name in names if split(name).tag in tags and wanted in (None, place(name))]


def place(name: str) -> tuple[str, str]:
    """Registry and path: engines shorten `docker.io/acme/shop` to `acme/shop`."""
    parts = split(name)
    return parts.registry, parts.path


def names_in_use(api: APIClient, owner: Owner) -> Names:
    """What the environment's things are called on this engine; see `Names`."""
    own = compose_project(owner.project, owner.environment)
    early = early_project(owner.project, owner.environment)
    if own == early:
        return Names(own)
    containers = api.containers(all=True, filters=owner.filters)
    found = {item["Labels"].get(_COMPOSE, "") for item in containers} & {early}
    listed = [
        *api.networks(filters=owner.filters),
        *(api.volumes(filters=owner.filters)["Volumes"] or []),
    ]
    found |= {item["Name"] for item in listed if item["Name"].startswith(f"{early}_")}
    return Names(own, early, frozenset(found))


def refuse_foreign(api: APIClient, owner: Owner, model: Mapping[str, Any]) -> None:
    """Stop before Compose is given a file under whose names somebody else has something.

    Raises:
        CheckFailed: With everything that was found.
    """
    found = list(foreign(api, owner, model))
    if found:
        raise CheckFailed(
            found[0].message,
            details=[item.message for item in found[1:]],
            remedy=found[0].remedy,
        )


def foreign(api: APIClient, owner: Owner, model: Mapping[str, Any]) -> Iterator[Finding]:
    """What others have under the names that a rendered Compose file uses."""
    filters = {"label": f"{_COMPOSE}={model['name']}"}
    for item in api.containers(all=True, filters=filters):
        if not owner.owns(item["Labels"]):
            name = item["Names"][0].lstrip("/")
            yield _finding(
                f"container {name} is in Compose project {model['name']} and not ours "
                f"({_whose(item['Labels'])})",
                f"give one of the two Compose projects another name; here: `project` in "
                f"towline.yaml, or the name of environment {owner.environment}",
            )
    wanted = model.get(SHARED) or {}
    for kind in ("network", "volume"):
        for name in wanted.get(f"{kind}s") or {}:
            labels = _labels(api, kind, name)
            if labels is None or owner.owns(labels) or _is_used_by_us(api, owner, labels, name):
                continue
            yield _finding(
                f"{kind} {name} exists and is not ours ({_whose(labels)})",
                f"to use it, write `external: true` and `name: {name}` at the {kind} in the "
                f"compose file; else give ours another `name`",
            )


def _labels(api: APIClient, kind: str, name: str) -> dict[str, str] | None:
    """The labels of a network or volume; None when there is none of this name."""
    if kind == "network":
        found = api.networks(filters={"name": f"^{name}$"})
    else:
        found = api.volumes(filters={"name": f"^{name}$"})["Volumes"] or []
    same = [item for item in found if item["Name"] == name]
    return (same[0].get("Labels") or {}) if same else None


def _is_used_by_us(api: APIClient, owner: Owner, labels: Mapping[str, str], name: str) -> bool:
    """Whether our containers use it already, and no other environment made it.

    Version 0.6.0 took whatever had the name, such as a volume that was made by hand.
    """
    if _PROJECT in labels:
        return False
    for item in api.containers(all=True, filters=owner.filters):
        volumes = {mount.get("Name") for mount in item.get("Mounts") or []}
        if name in volumes | set((item.get("NetworkSettings") or {}).get("Networks") or {}):
            return True
    return False


def _whose(labels: Mapping[str, str] | None) -> str:
    """Whose something is, as far as its labels tell."""
    known = labels or {}
    if _PROJECT in known:
        return f"environment {known.get(_ENVIRONMENT, '?')} of project {known[_PROJECT]} made it"
    if _COMPOSE in known:
        return f"Compose project {known[_COMPOSE]} made it"
    return "it has no label of ours"


def _finding(message: str, remedy: str) -> Finding:
    return Finding(CHECK, Severity.ERROR, message, remedy)
