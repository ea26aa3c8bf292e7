"""Which file holds an environment's variables, and what they are."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from towline.config.envfile import read_env
from towline.config.loading import Project
from towline.config.redaction import KNOWN
from towline.config.secrets import is_secret_name, is_token
from towline.errors import UsageError

_SHORTEST = 8
_PATH_NAME = re.compile(r"^(OLD)?PWD$|^HOME$|(^|_)(PATH|SOCK|FILE|DIR)$", re.IGNORECASE)


def env_file(project: Project, name: str) -> Path | None:
    """The file with the variables of an environment; None when there is none.

    The first of: the configured `env_file`, `config/ENV.env`, `.env.ENV`, `.env`.

    Raises:
        UsageError: When a configured file does not exist.
    """
    configured = project.environment(name).env_file
    if configured:
        path = project.root / configured
        if not path.is_file():
            raise UsageError(
                f"{path}, the env_file of {name}, does not exist",
                remedy=f"run `inv init.secrets --env {name}`, then fill in what it lists",
            )
        return path
    candidates = (f"config/{name}.env", f".env.{name}", ".env")
    return next((p for p in (project.root / c for c in candidates) if p.is_file()), None)


def default_env_file(project: Project, name: str) -> Path:
    """Where an environment's variables are, or would be written to."""
    configured = project.environment(name).env_file
    found = env_file(project, name) if not configured else project.root / configured
    return found or project.root / f".env.{name}"


def example_file(project: Project, name: str) -> Path:
    """The committed list of variables, beside the Compose file of an environment."""
    return project.compose_files(name)[0].parent / ".env.prod.example"


def learn_process(environ: Mapping[str, str] = os.environ) -> None:
    """Mask the secrets that this process was given, such as those of a workflow.

    They need not be the project's: tests that a promotion runs inherit them, and may print them.
    """
    for name, text in environ.items():
        # Without a name that says so, only what is inside of a value counts: passwords in URLs.
        KNOWN.learn({name if _is_own_secret(name, text) else "": text})


def _is_own_secret(name: str, text: str) -> bool:
    """Whether a variable of this process is a secret.

    Its names are not ours: of AUTH_PROVIDER=github every `github` would be masked.
    """
    if _PATH_NAME.search(name) or _is_path(text):
        return False
    if is_secret_name(name, at_end=True):
        return len(text) >= _SHORTEST
    return is_secret_name(name) and is_token(text)


def _is_path(text: str) -> bool:
    # A token may begin with `/` too, as base64 does.
    with suppress(OSError, RuntimeError, ValueError):
        return text.startswith(("/", "~")) and Path(text).expanduser().exists()
    return False


def read_values(
    project: Project, name: str, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Variables and secrets of an environment; real environment variables win.

    From here on its secrets are masked in whatever leaves this process.

    Raises:
        UsageError: When the file cannot be read.
    """
    path = env_file(project, name)
    values = read_env(path, environ) if path else {}
    settings = project.settings
    KNOWN.publish([settings.project, *settings.environments])
    KNOWN.learn(values, names=project.environment(name).secrets)
    return values
