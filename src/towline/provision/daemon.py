"""Log rotation in daemon.json, merged into what is there.

Without it the engine keeps every line that a container ever printed, until the disk is full.
Keys: https://docs.docker.com/engine/daemon/ and .../engine/logging/drivers/json-file/.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from towline.errors import UsageError

PATH = "/etc/docker/daemon.json"
# The driver `local` rotates and compresses; `docker logs` reads it as it reads json-file.
_DRIVER = "local"
_OPTIONS = {"max-size": "20m", "max-file": "5"}
_ROTATED = "json-file"


def rotates(text: str | None) -> bool:
    """Whether logs are rotated by these settings, or kept somewhere else.

    Raises:
        UsageError: When the text is no JSON object.
    """
    settings = _read(text)
    if settings.get("log-driver", _ROTATED) != _ROTATED:
        return True
    return "max-size" in settings.get("log-opts", {})


def with_rotation(text: str | None) -> tuple[str, dict[str, Any]]:
    """Add log rotation to settings that lack it.

    Returns:
        The new text, and what was added: `log-opts.max-size` for a key within `log-opts`.

    Raises:
        UsageError: When the text is no JSON object.
    """
    settings = _read(text)
    added: dict[str, Any] = {}
    if "log-driver" not in settings and "log-opts" not in settings:
        added["log-driver"] = settings["log-driver"] = _DRIVER
    options = settings.setdefault("log-opts", {})
    for key, value in _OPTIONS.items():
        if key not in options:
            added[f"log-opts.{key}"] = options[key] = value
    return _written(settings), added


def without(text: str | None, added: Mapping[str, Any]) -> str | None:
    """Take out what was added and is still as it was; None when nothing of it is there.

    Raises:
        UsageError: When the text is no JSON object.
    """
    settings = _read(text)
    options = settings.get("log-opts", {})
    found = False
    for name, value in added.items():
        _, dot, inner = name.partition(".")
        place, key = (options, inner) if dot else (settings, name)
        if place.get(key) == value:
            del place[key]
            found = True
    if not found:
        return None
    if "log-opts" in settings and not options:
        del settings["log-opts"]
    return _written(settings)


def _read(text: str | None) -> dict[str, Any]:
    why = "it is no JSON object"
    try:
        settings = json.loads(text) if text and text.strip() else {}
    except ValueError as error:
        settings, why = None, str(error)
    if not isinstance(settings, dict) or not isinstance(settings.get("log-opts", {}), dict):
        raise UsageError(
            f"{PATH} cannot be read: {why}",
            remedy="fix it there; the engine does not start with it either",
        )
    return settings


def _written(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, indent=2) + "\n"
