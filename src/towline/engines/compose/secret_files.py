"""The content of Compose's `secrets`, which is masked like the value of a secret variable."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from towline.config.compose_files import read_compose, variants
from towline.config.loading import Project
from towline.config.redaction import KNOWN
from towline.errors import UsageError


def learn_secrets(
    model: Mapping[str, Any], values: Mapping[str, str], folder: Path | None = None
) -> None:
    """Have what the `secrets` section gives to containers and builds masked from now on.

    Args:
        model: A Compose file as data.
        values: The environment's variables, for secrets that are taken from one.
        folder: Where relative paths begin.
    """
    declared = model.get("secrets")
    for options in declared.values() if isinstance(declared, Mapping) else ():
        if not isinstance(options, Mapping):
            continue
        # One that cannot be read is for the check to tell.
        with suppress(OSError, ValueError):
            if options.get("file"):
                path = (folder or Path()) / str(options["file"])
                KNOWN.learn_file(path.read_text("utf-8", "replace"))
        if options.get("environment"):
            KNOWN.learn_file(values.get(str(options["environment"]), ""))


def learn_declared(project: Project) -> None:
    """The same for the Compose files as they are written, without Compose."""
    for files in variants(project):
        for file in files:
            # A file that cannot be read is for whoever needs it.
            with suppress(OSError, ValueError, UsageError):
                # Compose takes relative paths from the folder of the first file.
                learn_secrets(read_compose(file), {}, files[0].parent)
