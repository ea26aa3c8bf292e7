"""What promotion derives for the deploy tree from other files; never edited by people.

generated/release.env      the version, so that the folder works with plain Compose:
`docker compose --env-file generated/release.env -f docker/…`
generated/secrets.example  the secrets that somebody has to provide, without values
"""

import re
from pathlib import Path

from towline.config.envfile import read_env
from towline.config.environments import example_file
from towline.config.loading import Project
from towline.config.secrets import is_secret_name

FOLDER = "generated"
_VARIABLE = re.compile(r"(?<!\$)\$(?:\{(?P<braced>[A-Za-z_]\w*)|(?P<plain>[A-Za-z_]\w*))")


def derived_files(project: Project, version: str, *, relock: bool = False) -> dict[str, bytes]:  # noqa: ARG001
    """Path in the deploy tree -> content.

    Raises:
        UsageError: When the example of variables cannot be read.
    """
    release = f"# Written by `inv promote`.\nTOWLINE_VERSION={version}\n"
    secrets = sorted(name for name in variables(project) if is_secret_name(name))
    lines = ["# Written by `inv promote`: the secrets of a deployment, without values.", *secrets]
    text = "\n".join([lines[0], *(f"{name}=" for name in lines[1:])]) + "\n"
    return {f"{FOLDER}/release.env": release.encode(), f"{FOLDER}/secrets.example": text.encode()}


def variables(project: Project) -> set[str]:
    """Names of the variables that the Compose file and the example of variables give.

    Raises:
        UsageError: When the example cannot be read.
    """
    named = _named_in(project.compose_file)
    example = example_file(project)
    return named | read_env(example, {}).keys() if example.is_file() else named


def _named_in(compose_file: Path) -> set[str]:
    """The variables that a Compose file names."""
    if not compose_file.is_file():
        return set()
    text = compose_file.read_text("utf-8", "replace")
    return {match["braced"] or match["plain"] for match in _VARIABLE.finditer(text)}
