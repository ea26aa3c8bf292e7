"""From a description to the files of a release, on one host: what is rendered, and for whom."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from towline.config.services import Role
from towline.engines.bundle import PERSISTENT, REPLACED, Bundle, Draft, Guest
from towline.engines.compose.compose_file import own_part
from towline.engines.compose.files import PERSISTENT as PERSISTENT_FILE
from towline.engines.compose.files import (
    persistent_file,
    read_model,
    slot_file,
    slot_name,
)
from towline.engines.compose.names import Names, compose_project
from towline.engines.compose.ownership import Owner
from towline.engines.compose.persistent import Rendered, reload_signals
from towline.engines.compose.render import (
    Definition,
    Target,
    build_model,
    mounts,
    persistent_model,
    slot_model,
)
from towline.engines.observed import SLOTS
from towline.errors import TowlineError
from towline.hosts.base import Host
from towline.state.releases import Release, StateFolder


@dataclass(frozen=True)
class Drafts:
    """Renders what is to come to one environment on one host.

    Attributes:
        names: Asks the engine what the environment's things are called there.
    """

    host: Host
    state: StateFolder
    owner: Owner
    names: Callable[[], Names]

    def models(self, draft: Draft, names: Names | None = None) -> dict[str, Definition]:
        """Every rendered file of a release: its name and what it holds.

        Args:
            draft: The release.
            names: What things are called; the engine is asked when not given.
        """
        file, target = own_part(draft.bundle), self._target(draft, names)
        found = {slot_name(slot): slot_model(file, target, slot) for slot in SLOTS}
        return {**found, PERSISTENT_FILE: persistent_model(file, target)}

    def build_file(self, draft: Draft, content: str) -> bytes:
        """The file that the release's images are built from."""
        target = self._target(draft, self._own_names)
        return as_json(build_model(own_part(draft.bundle), target, content))

    def rendered(self, wanted: Draft | Guest) -> Rendered:
        """What persistent services are to be, of a release that is not here yet."""
        if isinstance(wanted, Guest):
            data = wanted.host.files.read(persistent_file(wanted.release))
            model = json.loads(self.adopt(wanted, Path(PERSISTENT_FILE), data))
            return Rendered(model, reload_signals(wanted.release))
        file = own_part(wanted.bundle)
        signals = {name: item.reload for name, item in file.services.items() if item.reload}
        return Rendered(persistent_model(file, self._target(wanted)), signals)

    def reads(self, wanted: Release | Draft, *roles: Role) -> dict[str, list[Path]]:
        """Service -> what it mounts, by its path in the deploy tree."""
        if isinstance(wanted, Release):
            return self._read_by(wanted, roles)
        found: dict[str, list[Path]] = {}
        named = wanted.bundle.named(*roles)
        for name, model in self.models(wanted, self._own_names).items():
            root = self._root(name, self.state.releases / wanted.id / "tree")
            for service, paths in mounts(model, root).items():
                if service not in named:
                    continue
                known = found.setdefault(service, [])
                known += [path for path in paths if path not in known]
        return found

    def definition(self, wanted: Release | Bundle | Draft, service: str) -> Mapping[str, Any]:
        """How a service is defined."""
        if isinstance(wanted, Bundle):
            return own_part(wanted).definition(service)
        if isinstance(wanted, Draft):
            image = wanted.images.get(service)
            given = own_part(wanted.bundle).definition(service)
            return {**given, "image": image} if image else given
        is_persistent = wanted.settings(service).role in PERSISTENT
        file = persistent_file(wanted) if is_persistent else slot_file(wanted, SLOTS[0])
        found: dict[str, Any] = read_model(self.host.files, file)["services"][service]
        return found

    def adopt(self, guest: Guest, inside: Path, data: bytes) -> bytes:
        """A file of a release of another host as it must be on this one."""
        if inside.name not in (*map(slot_name, SLOTS), PERSISTENT_FILE):
            return data
        root = guest.release.folder.parent.parent
        data = data.replace(f"{root}/".encode(), f"{self.state.root}/".encode())
        old, new = guest.host.user_id(), self.host.user_id()
        if old and new:
            was, now = (f'"user": "{uid}:{uid}"'.encode() for uid in (old, new))
            data = data.replace(was, now)
        return data

    def _read_by(self, release: Release, roles: Collection[Role]) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for file, group in (
            (slot_file(release, SLOTS[0]), REPLACED),
            (persistent_file(release), PERSISTENT),
        ):
            # What nobody asked for is not read: a host may be far away.
            if set(group) & set(roles):
                with suppress(FileNotFoundError):
                    model = read_model(self.host.files, file)
                    found |= mounts(model, self._root(file.name, release.tree))
        names = release.named(*roles)
        return {name: paths for name, paths in found.items() if name in names}

    @property
    def _own_names(self) -> Names:
        """Where it does not matter what is called otherwise for the sake of an early version."""
        return Names(compose_project(self.owner.project, self.owner.environment))

    def _root(self, name: str, tree: Path) -> Path:
        """What the paths of a rendered file lie below."""
        return self.state.live if name == PERSISTENT_FILE else tree

    def _target(self, draft: Draft, names: Names | None = None) -> Target:
        return Target(
            project=self.owner.project,
            environment=self.owner.environment,
            release=draft.id,
            version=draft.version,
            commit=draft.commit,
            images=draft.images,
            replicas=draft.replicas,
            here=draft.bundle.tree,
            tree=self.state.releases / draft.id / "tree",
            live=self.state.live,
            names=names or self.names(),
            request_log=draft.request_log,
        )


def secret_files(host: Host, folder: Path) -> Iterator[Path]:
    """What the containers of a retained release are given as secrets, from files of the host."""
    # Either slot's file has the same secrets.
    for name in (PERSISTENT_FILE, slot_name(SLOTS[0])):
        try:
            model = json.loads(host.files.read(folder / name))
        except (OSError, ValueError, TowlineError):
            continue
        secrets = model.get("secrets") if isinstance(model, dict) else None
        for options in (secrets or {}).values():
            if isinstance(options, dict) and options.get("file"):
                yield Path(str(options["file"]))


def as_json(model: Definition) -> bytes:
    """A rendered file as it is written."""
    return (json.dumps(model, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
