"""The record of what persistent services were made from, beside what they mount.

It holds the definition of each service as it was applied last, so that a deploy that failed half
way, or left a service as it was, is still told truly; secrets are in it (0600).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from towline.engines.compose.render import without_log_room
from towline.hosts.base import Files
from towline.state.releases import StateFolder

_SINCE, _AWAY, _PENDING = "x-towline-since", "x-towline-away", "x-towline-pending"


@dataclass
class Applied:
    """What was applied last.

    Attributes:
        model: As a rendered file; None before the first deploy.
        since: Containers that started later than this (ISO 8601, by the engine's clock) were never
            sent a signal by the engine; version 0.6.0 did so. Empty in a record of that version.
        away: Service -> seconds that it was away when it was recreated or restarted last.
        pending: Service -> definition that Compose was told to apply at `began`; a run that was
            killed leaves it. Containers that are younger were made from it.
        unread: Service -> files that it mounts and that changed since it read them; a container
            that started later than `began` has read them.
        began: Unix time, by the engine's clock.
    """

    model: dict[str, Any] | None = None
    since: str = ""
    away: dict[str, float] = field(default_factory=dict)
    pending: dict[str, Any] = field(default_factory=dict)
    unread: dict[str, list[str]] = field(default_factory=dict)
    began: float = 0.0

    def change(self, files: Mapping[str, Iterable[Path]], now: float) -> None:
        """Note files that are about to change."""
        for name, paths in files.items():
            known = self.unread.setdefault(name, [])
            known += [str(path) for path in paths if str(path) not in known]
        self.began = now

    def begin(self, services: Mapping[str, Any], now: float) -> None:
        """Note what Compose is told to apply."""
        self.pending, self.began = dict(services), now

    def finish(self, made: Collection[str]) -> None:
        """Note which of that was applied; the rest is as it was before."""
        known = (self.model or {}).get("services") or {}
        found = {name: item for name, item in self.pending.items() if name in made}
        if found:
            self.model = {**(self.model or {}), "services": {**known, **found}}
        self.pending = {}

    def put(
        self, wanted: Mapping[str, Any], services: set[str], made: Collection[str] = ()
    ) -> None:
        """Note that services are as a rendered file describes them; forget what it lacks.

        Args:
            wanted: The rendered file.
            services: Those that are as it says.
            made: Those of them whose containers were made or restarted just now. The others have
                no place for the request log unless they had one before.
        """
        known = (self.model or {}).get("services") or {}

        def is_as_before(name: str, definition: Mapping[str, Any]) -> bool:
            if name not in known or name in made:
                return False
            same = without_log_room(known[name]) == without_log_room(definition)
            return same or name not in services

        merged = {
            name: known[name] if is_as_before(name, definition) else definition
            for name, definition in wanted["services"].items()
        }
        self.model = {**wanted, "services": merged}


def read_applied(files: Files, state: StateFolder) -> Applied:
    """The record of an environment on a host; an empty one where it cannot be read."""
    try:
        model = json.loads(files.read(_file(state)))
        since, away = str(model.pop(_SINCE, "")), dict(model.pop(_AWAY, {}))
        pending = {"unread": {}, **model.pop(_PENDING, {})}
        services, began = dict(pending.get("services", {})), float(pending.get("began", 0))
        unread = {str(name): list(map(str, paths)) for name, paths in pending["unread"].items()}
        if not isinstance(model["services"], dict):
            return Applied()
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return Applied()
    # Of a first deploy that was killed nothing is known but what it was about to do.
    return Applied(model if model["services"] else None, since, away, services, unread, began)


def write_applied(files: Files, state: StateFolder, record: Applied) -> None:
    """Write the record, unless it says the same already."""
    model = {**(record.model or {"services": {}}), _SINCE: record.since, _AWAY: record.away}
    if record.pending or record.unread:
        pending = {"services": record.pending, "unread": record.unread, "began": record.began}
        model[_PENDING] = pending
    text = (json.dumps(model, indent=1, sort_keys=True) + "\n").encode()
    path = _file(state)
    if not files.exists(path) or files.read(path) != text:
        files.write(path, text, 0o600)


def _file(state: StateFolder) -> Path:
    return state.live / ".kept.json"
