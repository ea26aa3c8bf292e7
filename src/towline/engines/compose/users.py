"""Which numeric user a container runs as: who must be able to read what it mounts."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from towline.errors import EngineRefused, TowlineError

if TYPE_CHECKING:
    from docker import APIClient

_PASSWD_LIMIT = 10**6


def user_id(api: APIClient, definition: Mapping[str, Any]) -> int | None:
    """The numeric user of a service of a rendered Compose file; None when nobody can tell.

    What the file does not say, the image does; a name is looked up in the image's /etc/passwd,
    without running anything.
    """
    image = str(definition.get("image") or "")
    user = str(definition.get("user") or "").split(":")[0]
    if user.isdigit():
        return int(user)
    try:
        if not user:
            user = str(api.inspect_image(image)["Config"].get("User") or "").split(":")[0]
        if not user:
            return 0
        return int(user) if user.isdigit() else _by_name(_passwd(api, image), user)
    except (EngineRefused, OSError, tarfile.TarError, KeyError):
        return None


def reads_everything(definition: Mapping[str, Any]) -> bool:
    """Whether root in the container may read files of others, as it may unless that was dropped."""
    dropped = {str(item).upper().removeprefix("CAP_") for item in definition.get("cap_drop") or []}
    added = {str(item).upper().removeprefix("CAP_") for item in definition.get("cap_add") or []}
    wanted = {"DAC_OVERRIDE", "DAC_READ_SEARCH"}
    return bool(added & (wanted | {"ALL"})) or not dropped & {"DAC_OVERRIDE", "ALL"}


def _passwd(api: APIClient, image: str) -> str:
    """A file of an image, by a container that is never started."""
    container = api.create_container(image, command=["true"])["Id"]
    try:
        stream: Iterable[bytes] = api.get_archive(container, "/etc/passwd")[0]
        with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
            found = archive.extractfile(archive.getmembers()[0])
            return found.read(_PASSWD_LIMIT).decode("utf-8", "replace") if found else ""
    finally:
        with suppress(TowlineError):
            api.remove_container(container, v=True, force=True)


def _by_name(passwd: str, name: str) -> int | None:
    for line in passwd.splitlines():
        parts = line.split(":")
        if len(parts) > 2 and parts[0] == name and parts[2].isdigit():
            return int(parts[2])
    return None
