"""The images of a release: what the Compose file names, with digests where they are known."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from towline.errors import UsageError

# A default may hold one more variable in braces.
_VARIABLE = re.compile(
    r"\$(?:(?P<escaped>\$)|(?P<plain>\w+)|\{(?P<name>\w+)"
    r"(?:(?P<colon>:?)(?P<kind>[-+?])(?P<rest>(?:[^{}]|\{[^{}]*\})*))?\})"
)
_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
_SECONDS = 60


def images(
    services: Mapping[str, Any], variables: Mapping[str, str], *, pin: bool
) -> dict[str, dict[str, str]]:
    """Service -> its image, and its digest where it is known.

    An image that the project builds has no digest before it is pushed.

    Args:
        services: The Compose file's services.
        variables: For interpolation; the others take their defaults.
        pin: Ask the engine, then the registry, for the digests of the others.

    Raises:
        UsageError: When a digest is wanted and nobody knows it.
    """
    found: dict[str, dict[str, str]] = {}
    built = {
        interpolated(str(item.get("image") or ""), variables)
        for item in services.values()
        if item and item.get("build")
    }
    for name, definition in sorted(services.items()):
        reference = interpolated(str((definition or {}).get("image") or ""), variables)
        if reference:
            written = _DIGEST.search(reference)
            found[name] = {"image": reference, **({"digest": written[1]} if written else {})}
    wanted = sorted({item["image"] for item in found.values() if "digest" not in item} - built)
    if pin and wanted:
        with ThreadPoolExecutor(max_workers=4) as pool:
            known = dict(zip(wanted, pool.map(_digest, wanted), strict=True))
        for item in found.values():
            if item["image"] in known:
                item["digest"] = known[item["image"]]
    return found


def document(found: Mapping[str, Mapping[str, str]]) -> bytes:
    """The file that the deploy tree holds."""
    return (json.dumps(found, indent=2, sort_keys=True) + "\n").encode()


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """A text of a Compose file with its variables filled in, or their defaults.

    The rules: https://docs.docker.com/reference/compose-file/interpolation/
    """

    def value(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name = match["name"] or match["plain"]
        given = variables.get(name)
        is_there = bool(given) if match["colon"] else given is not None
        if match["kind"] == "-" and not is_there:
            return interpolated(match["rest"], variables)
        if match["kind"] == "+":
            return interpolated(match["rest"], variables) if is_there else ""
        return given or ""

    return _VARIABLE.sub(value, text)


def _digest(reference: str) -> str:
    """The digest that a registry knows an image by; the engine here may know it too.

    Raises:
        UsageError: When neither knows.
    """
    listed = _answer("docker", "image", "inspect", "--format", "{{json .RepoDigests}}", reference)
    for item in json.loads(listed or "null") or []:
        found = _DIGEST.search(item)
        if found:
            return found[1]
    # Not {{.Manifest.Digest}}: some versions of buildx answer that with a page for people.
    asked = _answer(
        "docker", "buildx", "imagetools", "inspect", reference, "--format", "{{json .Manifest}}"
    )
    if asked:
        return str(json.loads(asked)["digest"])
    raise UsageError(
        f"nobody knows the digest of {reference}, and promote.pin_images asks for it",
        remedy=f"docker pull {reference}, or name the digest in the compose file, or leave "
        "promote.pin_images off",
    )


def _answer(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
