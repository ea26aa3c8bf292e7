"""What bringing persistent services to a description does to each, and why: pure comparisons.

The plan and the engine ask the same functions, so that what is done is what was announced. Values
are never told, only the keys that changed: a definition holds secrets.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from towline.engines.acts import Act, Effect
from towline.engines.compose.render import REQUEST_LOG, without_log_room
from towline.engines.observed import ObservedState

# What Compose leaves out when it decides whether a container is still as described.
_IGNORED = frozenset({"build", "depends_on", "profiles", "pull_policy", "scale"})
_NAMED = ("environment", "labels", "sysctls", "ulimits")


@dataclass(frozen=True)
class PersistentBaseline:
    """What there is to compare with.

    Attributes:
        applied: The model that was applied last, service by service; None when nobody knows.
        state: The containers.
        disabled: Services whose restart policy a reload of version 0.6.0 disabled.
        away: Service -> seconds that it was away the last time.
        is_idle: Whether the router serves nobody, so that it may be restarted for its files.
    """

    applied: Mapping[str, Any] | None
    state: ObservedState
    disabled: frozenset[str] = frozenset()
    away: Mapping[str, float] | None = None
    is_idle: bool = False


def find_effects(
    before: PersistentBaseline,
    wanted: Mapping[str, Any],
    changed: Mapping[str, Sequence[Path]],
    signals: Mapping[str, str],
) -> Iterator[Effect]:
    """What happens to each persistent service.

    Args:
        before: What there is.
        wanted: The rendered file of what is to be there.
        changed: Service -> files that it mounts and that change.
        signals: Service -> the signal that makes it read its files again.
    """
    away = before.away or {}
    for item in before.state.persistent():
        if item.service not in wanted["services"]:
            yield Effect(item.service, item.role, Act.REMOVE, ("the release has none",))
    for name, definition in sorted(wanted["services"].items()):
        role = str((definition.get("labels") or {}).get("towline.role", "backing"))
        act, reasons = _act(before, wanted, name)
        if act is None and name in before.disabled:
            act, reasons = Act.RESTART, (_DISABLED,)
        if role == "router":
            # Its files move with the switch. One that serves nobody may not run for lack of them.
            if before.is_idle and name in changed and act in (None, Act.START):
                act, reasons = Act.RESTART, tuple(f"{path} changed" for path in changed[name])
        elif act is None and name in changed:
            act = Act.RELOAD if signals.get(name) else Act.RESTART
            reasons = tuple(f"{path} changed" for path in changed[name])
        if act is not None:
            yield Effect(name, role, act, reasons, away.get(name))


_DISABLED = "its restart policy was disabled by reloads of an earlier Towline"


def _act(
    before: PersistentBaseline, wanted: Mapping[str, Any], name: str
) -> tuple[Act | None, tuple[str, ...]]:
    there = [item for item in before.state.persistent() if item.service == name]
    if not there:
        return Act.CREATE, ()
    is_running = any(item.running for item in there)
    if before.applied is None or name not in before.applied["services"]:
        return Act.RECREATE, ("nothing tells what it was made from",)
    keys = changed_keys(before.applied, wanted, name)
    if keys:
        return Act.RECREATE, keys
    return (None, ()) if is_running else (Act.START, ("it does not run",))


def changed_keys(was: Mapping[str, Any], now: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The keys of a service's definition that differ, each named and none shown."""
    one, other = was["services"][name], now["services"][name]
    if not now.get(REQUEST_LOG):
        # No log is wanted: a place for it is no reason to recreate.
        one, other = without_log_room(one), without_log_room(other)
    found = []
    for key in sorted((one.keys() | other.keys()) - _IGNORED):
        before, after = one.get(key), other.get(key)
        if before == after:
            continue
        if key == "tmpfs" and _only_log_room(before, after):
            found.append("a place for the request log")
        elif key in _NAMED and isinstance(before or {}, dict) and isinstance(after or {}, dict):
            names = _differing(before or {}, after or {})
            found += [f"{key} {item}" for item in names]
        else:
            found.append(key)
    return tuple(found)


def _only_log_room(was: Any, now: Any) -> bool:
    """Whether two lists of `tmpfs` differ by the place for the request log only."""
    return without_log_room({"tmpfs": was}) == without_log_room({"tmpfs": now})


def _differing(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in was.keys() | now.keys() if was.get(key) != now.get(key))
