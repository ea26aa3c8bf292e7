"""The record of a retained release, read with care: it may be of another version, or torn."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from towline.config.services import service_settings
from towline.promotion.migrations import parse_recorded

_TEXTS = ("id", "version", "commit", "fingerprint", "content", "status")
# What records of earlier versions may lack.
_OPTIONAL: Mapping[str, type] = {"replicas": int, "reason": str, "created": str, "number": int}


def read_record(content: bytes) -> dict[str, Any]:
    """The fields of a record; what this version does not know is left out.

    Raises:
        ValueError: When it is no record, in words for people.
    """
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON ({error})") from None
    if not isinstance(data, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - the content is wrong
    fields = {name: _typed(data, name, str) for name in _TEXTS}
    fields |= {name: _typed(data, name, kind) for name, kind in _OPTIONAL.items() if name in data}
    fields["images"] = _texts(data, "images")
    fields["services"] = _services(data)
    fields["migrations"] = _migrations(data)
    fields["host_files"] = _host_files(data)
    return fields


def _typed(data: Mapping[str, Any], name: str, kind: type) -> Any:
    if name not in data:
        raise ValueError(f"`{name}` is missing")
    found = data[name]
    if isinstance(found, kind) and not isinstance(found, bool):
        return found
    raise ValueError(f"`{name}` is no {'text' if kind is str else 'number'}: {found!r}")


def _texts(data: Mapping[str, Any], name: str) -> dict[str, str]:
    found = data.get(name)
    if not isinstance(found, dict) or not all(isinstance(item, str) for item in found.values()):
        raise ValueError(f"`{name}` is no mapping of texts")
    return found


def _services(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = data.get("services")
    if not isinstance(found, dict) or not all(isinstance(item, dict) for item in found.values()):
        raise ValueError("`services` is no mapping of services")
    for name, section in found.items():
        try:
            service_settings({"x-towline": section})
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, ("services", name, *first["loc"])))
            raise ValueError(f"{key}: {first['msg']}; does a newer Towline use this?") from None
    return found


def _host_files(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Keys and secrets of app services; records before 0.7 have none."""
    found = data.get("host_files", {})
    kinds = {"sha256": str, "mode": str, "owner": int}
    if isinstance(found, dict) and all(
        isinstance(item, dict) and all(isinstance(item.get(key), kinds[key]) for key in kinds)
        for item in found.values()
    ):
        return found
    raise ValueError("`host_files` is no mapping of digest, mode and owner")


def _migrations(data: Mapping[str, Any]) -> dict[str, str]:
    """Migrations in either form of the record."""
    try:
        found = parse_recorded(data["migrations"])
    except (KeyError, TypeError, ValueError):
        found = None
    if isinstance(found, dict) and all(isinstance(item, str) for item in found.values()):
        return found
    raise ValueError("`migrations` is no record of migrations")
