"""Secrets that would stay in an image: among its build arguments and labels."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from towline.config.redaction import KNOWN
from towline.config.secrets import is_secret_name
from towline.engines.compose.compose_file import ComposeFile
from towline.findings import Finding, Severity

CHECK = "secrets"


def check_build_secrets(file: ComposeFile, names: Collection[str] = ()) -> Iterator[Finding]:
    """Secrets among build arguments and labels.

    Args:
        file: The resolved Compose file.
        names: Variables that are secrets too, whatever they are called.
    """
    for service, definition in sorted((file.model.get("services") or {}).items()):
        yield from _build(service, definition.get("build") or {}, names)


def _build(service: str, build: Mapping[str, Any], names: Collection[str]) -> Iterator[Finding]:
    for kind, what in (("args", "build argument"), ("labels", "label")):
        for name, value in _pairs(build.get(kind)):
            text = str(value or "")
            named = bool(text) and (name in names or is_secret_name(name))
            if named or KNOWN.redact(text) != text:
                yield Finding(
                    CHECK,
                    Severity.ERROR,
                    f"{service}: {what} {name} is a secret, and would stay in the image's history",
                    "use a build secret: `secrets: [NAME]` in `build`, `NAME: {file: "
                    "../security/secrets/NAME}` in the file's `secrets`, and in the Dockerfile "
                    "`RUN --mount=type=secret,id=NAME …`",
                )


def _pairs(given: Any) -> Iterator[tuple[str, Any]]:
    """Build arguments are a mapping or a list of `NAME=value`."""
    if isinstance(given, Mapping):
        yield from ((str(name), value) for name, value in given.items())
    for item in given if isinstance(given, list) else ():
        yield str(item).partition("=")[0], str(item).partition("=")[2]
