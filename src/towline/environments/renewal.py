"""Host files of backing services and the router: renewed in place, and put back when that fails.

STATE/host-files.json    digests of what was placed, and what was there before (0600)

What was there before stays in the record until the operation has succeeded: a run that was killed
between is known by that, and the next one finishes or undoes it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from towline.config.certificate import is_issued_later
from towline.engines.bundle import PERSISTENT
from towline.environments.host_environment import HostEnvironment
from towline.environments.host_files import HostFile, local, owner_of
from towline.errors import TowlineError
from towline.hosts.base import Folder
from towline.hosts.reading import digest
from towline.state.releases import Release

_RECORD = "host-files.json"
Services = dict[str, list[Path]]


@dataclass
class Renewal:
    """What of the host's own files is to be renewed.

    Attributes:
        files: What differs from what is here.
        waiting: What was written by a run that was killed before services read it.
        said: What is left as it is on the host, and why.
    """

    files: dict[Path, HostFile] = field(default_factory=dict)
    waiting: Services = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    def services(self) -> Services:
        """Service -> the paths that it is to read again."""
        found = {name: list(paths) for name, paths in self.waiting.items()}
        for path, file in self.files.items():
            for name in file.services:
                if path not in found.setdefault(name, []):
                    found[name].append(path)
        return found


@dataclass
class _Record:
    placed: dict[str, str] = field(default_factory=dict)
    undo: dict[str, dict[str, Any]] = field(default_factory=dict)

    def knows_other(self, path: Path, data: bytes) -> bool:
        """Whether something else was placed there: somebody changed it since."""
        return self.placed.get(str(path), digest(data)) != digest(data)


def find(
    site: HostEnvironment,
    release: Release,
    *,
    only: Collection[str] | None = None,
    force: bool = False,
) -> Renewal:
    """What is to be renewed for the backing services and the router of a release.

    Args:
        site: The environment on one host.
        release: The release that describes them.
        only: The services to look at; all when not given.
        force: Renew also what was changed on the host, or was issued later there.
    """
    found = Renewal()
    reads = site.engine.reads(release, *PERSISTENT)
    wanted = {name: paths for name, paths in reads.items() if only is None or name in only}
    record = _read(site)
    for written, undo in record.undo.items():
        for name in undo["services"]:
            if only is None or name in only:
                found.waiting.setdefault(name, []).append(Path(written))
    if not any(wanted.values()):
        return found
    here, folder = local(site, wanted), site.engine.configuration
    there = {path: _content(folder, path) for path in here}
    newer = {
        path.parent
        for path, file in here.items()
        if not force and is_issued_later(there[path] or b"", file.data)
    }
    for path, file in here.items():
        said, data = f"{folder.root / path} on {site.host.name}", there[path]
        if data == file.data:
            continue
        if path.parent in newer:
            found.said.append(f"{said} was issued later than the one here: left as it is")
        elif data is not None and not force and record.knows_other(path, data):
            found.said.append(f"{said} was changed there since it was placed: left as it is")
        else:
            found.files[path] = file
    return found


def place(site: HostEnvironment, release: Release, renewal: Renewal) -> Services:
    """Write what differs; returns what services are to read again.

    Raises:
        UsageError: When a service could not read a file; then none was written.
    """
    record = _read(site)
    owners = {path: owner_of(site, release, path, file) for path, file in renewal.files.items()}
    folder = site.engine.configuration
    for path, file in renewal.files.items():
        entry, data = folder.entry(path), _content(folder, path)
        before = {
            "data": None if data is None else base64.b64encode(data).decode(),
            "mode": entry.mode if entry else file.mode,
            "owner": entry.owner if entry else None,
            "services": list(file.services),
        }
        record.undo.setdefault(str(path), before)
        record.placed[str(path)] = digest(file.data)
    if renewal.files:
        _write(site, record)
    for path, file in renewal.files.items():
        folder.overwrite(path, file.data, file.mode, owners[path])
    return renewal.services()


def commit(site: HostEnvironment) -> None:
    """Services have read what is there: what was there before is forgotten."""
    record = _read(site)
    if record.undo:
        record.undo = {}
        _write(site, record)


def pending(site: HostEnvironment) -> Services:
    """Service -> files that `revert` would put back."""
    services = Services()
    for name, before in _read(site).undo.items():
        for service in before["services"]:
            services.setdefault(service, []).append(Path(name))
    return services


def revert(site: HostEnvironment) -> Services:
    """Put back what was there before; returns what services are to read again.

    It may be done again, until `commit` says that they have read it.
    """
    record, services = _read(site), pending(site)
    folder = site.engine.configuration
    for name, before in record.undo.items():
        path = Path(name)
        if before["data"] is not None:
            data = base64.b64decode(before["data"])
            folder.overwrite(path, data, before["mode"], before["owner"])
            record.placed[name] = digest(data)
        else:
            there = _content(folder, path)
            if there is not None and digest(there) == record.placed.pop(name, ""):
                folder.remove(path)
    if record.undo:
        _write(site, record)
    return services


def _content(folder: Folder, path: Path) -> bytes | None:
    with suppress(FileNotFoundError, NotADirectoryError):
        return folder.read(path)
    return None


def _read(site: HostEnvironment) -> _Record:
    path = site.state.root / _RECORD
    try:
        found: Mapping[str, Any] = json.loads(site.files.read(path))
        return _Record(dict(found["placed"]), dict(found["undo"]))
    except FileNotFoundError:
        return _Record()
    except (ValueError, KeyError, TypeError) as error:
        raise TowlineError(
            f"{path} cannot be read: {error}", remedy=f"move it away: mv {path} {path}.bad"
        ) from None


def _write(site: HostEnvironment, record: _Record) -> None:
    data = {"placed": record.placed, "undo": record.undo}
    text = json.dumps(data, indent=1, sort_keys=True) + "\n"
    site.files.write(site.state.root / _RECORD, text.encode(), 0o600)
