"""Bring an environment to a stage. Doing so twice is harmless.

The order is always the same: start what is wanted, pass the gates that protect users, hand
the workers over, ask the new release once more, move traffic, watch, and only then stop what is not
wanted any more. On the way back users come first: traffic moves before the workers.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from towline.config.services import Role
from towline.config.units import format_duration
from towline.engines.base import Engine
from towline.errors import Locked
from towline.rollout.gates import Gates
from towline.rollout.serving import restart_router, router_fault
from towline.rollout.strategies import Gate, Stage, Workers
from towline.state.releases import Release

_POLL = 0.05


@dataclass(frozen=True)
class Side:
    """A release and the slot it lives in."""

    release: Release
    colour: str


@dataclass(frozen=True)
class Stages:
    """Two sides of an environment that stages move between; either may be missing.

    Attributes:
        drain: Seconds that open requests may take, where a service does not say.
        tick: Called in every wait; raises when the operation is to stop.
    """

    engine: Engine
    gates: Gates
    new: Side | None
    old: Side | None
    drain: float
    tick: Callable[[], None]

    def reach(self, stage: Stage) -> str:
        """Bring the environment to a stage; returns the figures of its gates."""
        if stage.new and self.new:
            self._start(self.new)
        if stage.old and self.old:
            self._start(self.old)
        notes = [self._pass(gate) for gate in stage.gates if gate is not Gate.WATCH]
        self.tick()
        if stage.users_first:
            served = self._move_traffic(stage)
            self._hand_over_workers(stage.workers)
        else:
            self._hand_over_workers(stage.workers)
            if Gate.HEALTH in stage.gates and stage.share:
                # Meanwhile, as long as the old worker took to stop, the new app may have died.
                self._pass(Gate.HEALTH)
            served = self._move_traffic(stage)
        notes += [self._pass(gate) for gate in stage.gates if gate is Gate.WATCH]
        for side, wanted in ((self.old, stage.old), (self.new, stage.new)):
            if side and not wanted:
                # Nobody waits for the last request of an outage.
                notes.append(self._drained(side) if served else "")
                self.engine.stop(side.colour, side.release.named(Role.APP))
        return "; ".join(filter(None, notes))

    def stand_in(self) -> bool:
        """Send all traffic to the old release at once, if it stands by healthy; whether it did."""
        old = self.old
        if old is None or not self.gates.is_healthy(old.release, old.colour):
            return False
        self.engine.route(old.release, {old.colour: 100})
        return True

    def _start(self, side: Side) -> None:
        release = side.release
        # Workers stand ready, so that their hand-over is short.
        ready = release.named(Role.WORKER)
        self.engine.start(release, side.colour, release.counts(Role.APP), ready)

    def _pass(self, gate: Gate) -> str:
        side = self.old if gate is Gate.OLD_HEALTH else self.new
        if side is None:
            return ""
        ask = {
            Gate.HEALTH: self.gates.health,
            Gate.OLD_HEALTH: self.gates.health,
            Gate.SMOKE: self.gates.smoke,
            Gate.WATCH: self.gates.watch,
        }[gate]
        return f"{gate}: {ask(side.release, side.colour)}"

    def _hand_over_workers(self, wanted: Workers) -> None:
        """One version of a worker at a time, unless it is declared safe to overlap."""
        coming = {Workers.NEW: self.new, Workers.OLD: self.old, Workers.NONE: None}[wanted]
        if coming:
            settings = coming.release.settings
            counts = coming.release.counts(Role.WORKER)
            early = {name: count for name, count in counts.items() if settings(name).overlap}
            self.engine.start(coming.release, coming.colour, early)
        for side in (self.old, self.new):
            if side and side is not coming:
                self.engine.stop(side.colour, side.release.named(Role.WORKER))
        if coming:
            self.engine.start(coming.release, coming.colour, counts)

    def _move_traffic(self, stage: Stage) -> bool:
        """Put a stage's shares in force; returns whether anybody serves now."""
        shares = {}
        if self.new and stage.share:
            shares[self.new.colour] = stage.share
        if self.old and stage.old and stage.share < 100:
            shares[self.old.colour] = 100 - stage.share
        if sum(shares.values()) != 100:
            shares = {}  # the first release, or recreate: nobody serves
        leading = self.new if stage.share >= 50 or self.old is None else self.old
        if leading:
            self._route(leading.release, shares)
        return bool(shares)

    def _route(self, release: Release, shares: dict[str, int]) -> None:
        """Send traffic by a router that may have died, or dies meanwhile; it is started again."""
        if shares:
            self._wake_router(release)
        try:
            self.engine.route(release, shares)
        except Locked:
            raise
        except Exception:
            if not shares and router_fault(self.engine, release, self.engine.observe()):
                return  # it sends nobody anywhere
            if not self._wake_router(release):
                raise
            self.engine.route(release, shares)

    def _wake_router(self, release: Release) -> bool:
        woken = restart_router(self.engine, release)
        if woken:
            self.gates.health(release, "", (Role.ROUTER,))
        return woken

    def _drained(self, side: Side) -> str:
        """Let requests and WebSockets of earlier routes finish, up to the drain time."""
        given = [side.release.settings(name).drain for name in side.release.named(Role.APP)]
        limit = max((self.drain if one is None else one for one in given), default=0.0)
        started = time.monotonic()
        while self.engine.open_on_old_routes():
            if time.monotonic() - started >= limit:
                return f"open connections were cut after a drain time of {format_duration(limit)}"
            self.tick()
            time.sleep(_POLL)
        return ""
