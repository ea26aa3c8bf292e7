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

from towline.config.compose_files import every_file, merged_services, variants
from towline.config.envfile import read_env
from towline.config.environments import example_file
from towline.config.loading import Project
from towline.config.secrets import is_secret_name
from towline.promotion.images import document, images
from towline.promotion.sbom import bill_of_materials, packages
from towline.promotion.targets import targets

FOLDER = "generated"
LOCK = f"{FOLDER}/requirements.txt"
IMAGES_FILE = f"{FOLDER}/images.json"
Services = dict[str, dict[str, Any]]
_VARIABLE = re.compile(r"(?<!\$)\$(?:\{(?P<braced>[A-Za-z_]\w*)|(?P<plain>[A-Za-z_]\w*))")


def generated_files(
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
        f"{FOLDER}/prometheus/targets.json": targets(settings.project, services.values()),
    }
    if services:
        values = {"TOWLINE_VERSION": version.replace("+", "_")}
        listed = images(_by_image(services), values, pin=settings.promote.pin_images)
        found[IMAGES_FILE] = document(listed)
    pinned = packages([lock.decode()] if lock else [*(requirements or {}).values()])
    if pinned:
        found[f"{FOLDER}/bom.json"] = bill_of_materials(settings.project, version, pinned)
    return {path: data for path, data in found.items() if data is not None}


def variables(project: Project) -> set[str]:
    """Names of the variables that the Compose files and the examples of variables give.

    Raises:
        UsageError: When an example cannot be read.
    """
    texts = [file.read_text("utf-8", "replace") for file in every_file(project)]
    named = {
        match["braced"] or match["plain"] for text in texts for match in _VARIABLE.finditer(text)
    }
    examples = {example_file(project, name) for name in project.names()}
    return named.union(*(read_env(path, {}) for path in examples if path.is_file()))


def _services(project: Project) -> dict[str, Services]:
    """Environment -> its services, as they are written: no variable is filled in."""
    found: dict[str, Services] = {}
    for files, names in variants(project).items():
        services = merged_services(files)
        found |= {name: services for name in names if services}
    return found


def _by_image(found: Mapping[str, Services]) -> Services:
    """Each service once, or as `ENVIRONMENT/SERVICE` where environments have different images."""
    images: dict[str, set[str]] = {}
    for services in found.values():
        for name, item in services.items():
            images.setdefault(name, set()).add(str(item.get("image")))
    chosen: Services = {}
    for environment, services in found.items():
        for name, item in services.items():
            called = name if len(images[name]) == 1 else f"{environment}/{name}"
            # What one environment builds is our own image, though another takes `build` away.
            if called not in chosen or item.get("build"):
                chosen[called] = item
    return chosen
