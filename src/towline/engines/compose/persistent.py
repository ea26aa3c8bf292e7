"""Backing services and the router: brought to a release's description, and no further.

Only services that differ from what was applied last are given to Compose, so that nothing is
recreated that the plan did not name, whatever version of Compose runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from towline.config.services import Role
from towline.engines.acts import Act, Effect
from towline.engines.compose import containers, live, shared, signals
from towline.engines.compose.applied import Applied, read_applied, write_applied
from towline.engines.compose.commands import ROUTER_GRACE, UP, up_commands
from towline.engines.compose.differences import PersistentBaseline, find_effects
from towline.engines.compose.files import persistent_file
from towline.engines.compose.ownership import Owner
from towline.engines.compose.render import mounts
from towline.engines.observed import Container, ObservedState
from towline.hosts.base import Host
from towline.state.releases import Release, StateFolder

if TYPE_CHECKING:
    from docker import APIClient

# Later than any container: nothing was started before it.
_NEVER = "0000"


@dataclass(frozen=True)
class Rendered:
    """A description of persistent services.

    Attributes:
        model: The rendered file.
        signals: Service -> the signal that makes it read its configuration again.
    """

    model: dict[str, Any]
    signals: Mapping[str, str]


@dataclass(frozen=True)
class Persistent:
    """The persistent services of one environment on one host.

    Attributes:
        compose: Runs commands of Compose, one after another.
    """

    host: Host
    state: StateFolder
    owner: Owner
    compose: Callable[..., object]

    @property
    def _api(self) -> APIClient:
        return self.host.docker().api

    def forecast(
        self,
        wanted: Rendered,
        observed: ObservedState,
        was: Mapping[str, str],
        now: Mapping[str, str],
        renewed: Mapping[str, Sequence[Path]],
        *,
        spare: bool = False,
    ) -> list[Effect]:
        """What bringing them to a description would do.

        Args:
            wanted: The description.
            observed: The containers.
            was: Path in the deploy tree -> digest, as the live release has it.
            now: The same, as the wanted release has it.
            renewed: Service -> host files that it reads and that will change.
            spare: As for `bring_up`.
        """
        differing = [path for path in sorted({*was, *now}) if was.get(path) != now.get(path)]
        changed = {name: list(paths) for name, paths in renewed.items()}
        for name, paths in mounts(wanted.model, self.state.live).items():
            found = [Path(item) for item in differing if _is_below(Path(item), paths)]
            if found:
                changed.setdefault(name, []).extend(found)
        record = read_applied(self.host.files, self.state)
        before = self._baseline(record, observed, wanted)
        _merge(changed, record)
        effects = find_effects(before, wanted.model, changed, wanted.signals)
        spared = _spared(observed, wanted.signals) if spare else set()
        return [item for item in effects if item.service not in spared or not item.interrupts]

    def bring_up(
        self,
        release: Release,
        model: dict[str, Any],
        observed: ObservedState,
        renewed: Mapping[str, Sequence[Path]],
        *,
        spare: bool,
        is_idle: bool,
    ) -> list[str]:
        """Bring them to a release's description; returns what was done, a line each.

        Args:
            release: The release.
            model: Its rendered file.
            observed: The containers.
            renewed: Service -> host files that it reads and that changed already.
            spare: Leave backing services alone that run and are not unhealthy, however they
                differ: on the way back, a second restart would only add to the harm.
            is_idle: Whether the router serves nobody: then it is given its files at once.
        """
        record = read_applied(self.host.files, self.state)
        told = reload_signals(release)
        before = replace(self._baseline(record, observed, Rendered(model, told)), is_idle=is_idle)
        record.since = record.since or self._latest_start(record, observed)
        spared = _spared(observed, told) if spare else set()
        # The router's own files move with the switch, unless it serves nobody.
        laid = [
            name
            for name in model["services"]
            if name not in spared and (name != release.router or is_idle)
        ]

        def note(changed: Mapping[str, Iterable[Path]]) -> None:
            # Killed afterwards, nobody would know that services have not read them.
            record.change(changed, containers.now(self._api))
            write_applied(self.host.files, self.state, record)

        synced = live.sync(self.host.files, self.state, model, laid, release, note)
        changed = {name: list(paths) for name, paths in renewed.items()}
        _merge(changed, record)
        found = list(find_effects(before, model, changed, told))
        effects = [item for item in found if item.service not in spared or not item.interrupts]
        left = [item.service for item in found if item not in effects]
        waiting = {name: renewed[name] for name in left if renewed.get(name)}
        if waiting:
            # The next deploy lets them read what was put back for them.
            note(waiting)
        done = [*synced.said, *(f"{name} left as it is: it is well" for name in left)]
        if effects:
            done += self._carry_out(effects, release, model, observed, record)
        record.pending = {}
        record.unread = {name: paths for name, paths in record.unread.items() if name in left}
        acted = {item.service for item in effects}
        made = {item.service for item in effects if item.act in (Act.CREATE, Act.RECREATE)}
        record.put(model, acted | (set(model["services"]) - set(left)), made)
        write_applied(self.host.files, self.state, record)
        return done

    def _carry_out(
        self,
        effects: Sequence[Effect],
        release: Release,
        model: dict[str, Any],
        observed: ObservedState,
        record: Applied,
    ) -> list[str]:
        acts = {item.service: item.act for item in effects}
        gone = [item for item in observed.persistent() if acts.get(item.service) is Act.REMOVE]
        for item in gone:
            containers.remove(self._api, item.id)
        began = containers.now(self._api) if any(item.interrupts for item in effects) else 0.0
        defined = model["services"]
        patient = [name for name in defined if "stop_grace_period" in defined[name]]
        commands = up_commands(persistent_file(release), effects, patient)
        if commands:
            # Killed after Compose's end, nobody would know that it did what it was told.
            raised = [item.service for item in effects if item.act in UP]
            record.begin({name: defined[name] for name in raised}, containers.now(self._api))
            write_applied(self.host.files, self.state, record)
            shared.create(self._api, self.owner, model)
            self.compose(*commands)
        for item in observed.persistent():
            self._tell(item, acts.get(item.service), release)
        away = self._away(began) if began else {}
        record.away.update(away)
        return [_describe(item, away.get(item.service)) for item in effects]

    def renew(
        self, release: Release, observed: ObservedState, renewed: Mapping[str, Sequence[Path]]
    ) -> list[str]:
        """Let backing services read host files that changed; returns what was done."""
        told, done = reload_signals(release), []
        for item in observed.persistent():
            if item.service not in renewed or item.role == Role.ROUTER or not item.running:
                continue
            act = Act.RELOAD if told.get(item.service) else Act.RESTART
            self._tell(item, act, release)
            reasons = tuple(f"{path} changed" for path in renewed[item.service])
            done.append(_describe(Effect(item.service, item.role, act, reasons), None))
        return done

    def _tell(self, item: Container, act: Act | None, release: Release) -> None:
        if act is Act.RESTART:
            grace = ROUTER_GRACE if item.role == Role.ROUTER else None
            containers.restart(self._api, item.id, grace)
        elif act is Act.RELOAD:
            signal = release.settings(item.service).reload
            # Any image that may have a shell, should its own have none.
            signals.send(self._api, item.id, signal, sorted(set(release.images.values())))

    def _baseline(
        self, record: Applied, observed: ObservedState, wanted: Rendered
    ) -> PersistentBaseline:
        if record.pending:
            items = [item for item in observed.persistent() if item.service in record.pending]
            record.finish({item.service for item in items if self._made(item) >= record.began})
        for item in observed.persistent():
            # Started meanwhile, it has read them.
            if item.service in record.unread and item.running:
                started = containers.unix_time(self._started(item))
                if started >= record.began:
                    del record.unread[item.service]
        disabled = frozenset(self._disabled(record, observed, wanted))
        return PersistentBaseline(record.model, observed, disabled, record.away)

    def _disabled(
        self, record: Applied, observed: ObservedState, wanted: Rendered
    ) -> Iterable[str]:
        """Services that a reload by the engine's kill API may have cost their restart policy."""
        if record.model is None:
            return
        for item in observed.persistent():
            definition = wanted.model["services"].get(item.service)
            reloads = item.role == Role.ROUTER or wanted.signals.get(item.service)
            if not (definition and item.running and reloads):
                continue
            if containers.policy_of(definition)["Name"] == "no":
                continue
            if not record.since or self._started(item) <= record.since:
                yield item.service

    def _latest_start(self, record: Applied, observed: ObservedState) -> str:
        """Until when the engine may have been asked to signal: by a Towline before this one."""
        if record.model is None:
            return _NEVER
        return max((self._started(item) for item in observed.persistent()), default=_NEVER)

    def _made(self, item: Container) -> float:
        return containers.unix_time(str(self._api.inspect_container(item.id)["Created"]))

    def _started(self, item: Container) -> str:
        return str(self._api.inspect_container(item.id)["State"]["StartedAt"])

    def _away(self, began: float) -> dict[str, float]:
        """Service -> seconds from the stop signal to start, as the engine tells."""
        kinds = ["kill", "die", "start"]
        filters = {"type": "container", "event": kinds, **self.owner.filters}
        stopped: dict[str, int] = {}
        found: dict[str, float] = {}
        span = {"since": f"{began:.6f}", "until": f"{containers.now(self._api):.6f}"}
        for event in self._api.events(filters=filters, decode=True, **span):
            name = event["Actor"]["Attributes"].get("towline.service", "")
            if event["Action"] != "start":
                stopped.setdefault(name, event["timeNano"])
            elif name in stopped:
                found[name] = round((event["timeNano"] - stopped[name]) / 1e9, 1)
        return found


def reload_signals(release: Release) -> dict[str, str]:
    """Service -> the signal that makes it read its configuration again, where it has one."""
    found = {name: release.settings(name).reload for name in release.services}
    return {name: signal for name, signal in found.items() if signal}


def _merge(changed: dict[str, list[Path]], record: Applied) -> None:
    """Add what a run that was killed left unread."""
    for name, paths in record.unread.items():
        known = changed.setdefault(name, [])
        known += [Path(path) for path in paths if Path(path) not in known]


def _is_below(path: Path, roots: Iterable[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _spared(observed: ObservedState, told: Mapping[str, str]) -> set[str]:
    """Services that are left as they are on the way back."""
    return {item.service for item in observed.persistent() if _is_fine(item, told)}


def _is_fine(item: Container, told: Mapping[str, str]) -> bool:
    """Whether a service can be left as it is; one that reads its files again need not be."""
    if item.role != Role.BACKING or told.get(item.service):
        return False
    return item.running and item.health in ("", "healthy")


def _describe(effect: Effect, away: float | None) -> str:
    past = {
        Act.CREATE: "created", Act.START: "started", Act.RECREATE: "recreated",
        Act.RESTART: "restarted", Act.RELOAD: "reloaded", Act.REMOVE: "removed",
    }[effect.act]  # fmt: skip
    why = f" ({', '.join(effect.reasons)})" if effect.reasons else ""
    return f"{effect.service} {past}{why}" + (f", away for {away:.1f} s" if away else "")
