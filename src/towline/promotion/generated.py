"""What promotion derives for the deploy tree from other files; never edited by people.

generated/release.env              the version, so that the folder works with plain Compose:
`docker compose --env-file generated/release.env -f docker/…`
generated/secrets.example          the secrets that somebody has to provide, without values
generated/images.json              the images, with digests where they are known
generated/requirements.txt         the Python requirements, locked with hashes
generated/bom.json                 their bill of materials
generated/prometheus/targets.json  what Prometheus is to scrape
"""

import re
from collections.abc import Mapping
from typing import Any

from towline.config.envfile import read_env
from towline.config.environments import example_file
from towline.config.loading import Project
from towline.config.secrets import is_secret_name
from towline.errors import UsageError
from towline.promotion.images import document, images
from towline.promotion.sbom import bill_of_materials, packages
from towline.promotion.targets import targets

FOLDER = "generated"
LOCK = f"{FOLDER}/requirements.txt"
IMAGES_FILE = f"{FOLDER}/images.json"
_VARIABLE = re.compile(r"(?<!\$)\$(?:\{(?P<braced>[A-Za-z_]\w*)|(?P<plain>[A-Za-z_]\w*))")


def derived_files(
    project: Project,
    version: str,
    *,
    lock: bytes | None = None,
    requirements: Mapping[str, str] | None = None,
) -> dict[str, bytes]:
    """Path in the deploy tree -> content; the same input gives the same bytes.

    Args:
        project: The project.
        version: Version of the release.
        lock: The locked requirements, where some are; see `requirements.lock`.
        requirements: Requirements files that are promoted, by their path in the deploy tree;
            they make the bill of materials where nothing is locked.

    Raises:
        UsageError: When a file cannot be read, or a digest is wanted and not known.
    """
    settings = project.settings
    release = f"# Written by `inv promote`.\nTOWLINE_VERSION={version}\n"
    secrets = sorted(name for name in variables(project) if is_secret_name(name))
    lines = ["# Written by `inv promote`: the secrets of a deployment, without values.", *secrets]
    text = "\n".join([lines[0], *(f"{name}=" for name in lines[1:])]) + "\n"
    services = _services(project)
    found = {
        f"{FOLDER}/release.env": release.encode(),
        f"{FOLDER}/secrets.example": text.encode(),
        LOCK: lock,
        f"{FOLDER}/prometheus/targets.json": targets(settings.project, services),
    }
    if services:
        values = {"TOWLINE_VERSION": version.replace("+", "_")}
        listed = images(services, values, pin=settings.promote.pin_images)
        found[IMAGES_FILE] = document(listed)
    pinned = packages([lock.decode()] if lock else [*(requirements or {}).values()])
    if pinned:
        found[f"{FOLDER}/bom.json"] = bill_of_materials(settings.project, version, pinned)
    return {path: data for path, data in found.items() if data is not None}


def variables(project: Project) -> set[str]:
    """Names of the variables that the Compose file and the example of variables give.

    Raises:
        UsageError: When the example cannot be read.
    """
    named = _named_in(project)
    example = example_file(project)
    return named | read_env(example, {}).keys() if example.is_file() else named


def _named_in(project: Project) -> set[str]:
    if not project.compose_file.is_file():
        return set()
    text = project.compose_file.read_text("utf-8", "replace")
    return {match["braced"] or match["plain"] for match in _VARIABLE.finditer(text)}


def _services(project: Project) -> dict[str, Any]:
    """The Compose file's services, as they are written: no variable is filled in."""
    import yaml

    if not project.compose_file.is_file():
        return {}
    try:
        data = yaml.load(project.compose_file.read_bytes(), Loader=_loader())  # noqa: S506 - a safe one
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise UsageError(f"{project.compose_file} is not valid YAML: {said}") from None
    services = data.get("services") if isinstance(data, dict) else None
    # `web: nginx:1.27` is no service; Compose says so where it is deployed.
    found = services if isinstance(services, dict) else {}
    return {name: given for name, given in found.items() if isinstance(given, dict)}


def _loader() -> Any:
    """YAML as Compose reads it: `!reset` and `!override` are tags of its own."""
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    Loader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)
    return Loader
