"""The transition of an environment to a stage. Doing it twice is harmless.

The order is always the same: start what is wanted, pass the gates that protect users, hand the
workers over, ask the new release once more, move traffic, pass the gates under traffic, and only
then stop what is not wanted any more. On the way back users come first: traffic moves before the
workers.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from towline.config.deploy_sections import Rollout
from towline.config.services import Role
from towline.config.units import format_duration
from towline.engines.base import Engine
from towline.errors import Locked
from towline.rollout.gates.base import Gate, GateContext, pass_gate
from towline.rollout.gates.containers import is_healthy
from towline.rollout.gates.health import Health
from towline.rollout.serving import restart_router, router_fault
from towline.rollout.stages import Counts, Stage, Workers
from towline.rollout.way_back import restore_in_batches
from towline.routing.policy import ANYBODY, Policy
from towline.state.releases import Release

_POLL = 0.05


@dataclass(frozen=True)
class Transition:
    """Two sides of an environment that stages move between; either may be missing.

    Attributes:
        new: What gates are told of the new release.
        old: What they are told of the old one.
        rollout: The settings.
        check_cancelled: Called in every wait; raises when the operation is to stop.
    """

    engine: Engine
    new: GateContext | None
    old: GateContext | None
    rollout: Rollout
    check_cancelled: Callable[[], None]

    def to(self, stage: Stage) -> str:
        """Bring the environment to a stage; returns the figures of its gates.

        Raises:
            GateFailed: When a gate said no.
            GateUndecided: When one could not be asked, or cannot tell.
        """
        self._free_slot(stage)
        self._grow(self.new, stage.new)
        self._grow(self.old, stage.old)
        notes = [self._pass(gate, stage) for gate in stage.gates if not gate.under_traffic]
        notes += [_ask(gate, self.old, stage.old) for gate in stage.old_gates]
        self.check_cancelled()
        if stage.users_first:
            served = self._move_traffic(stage)
            self._hand_over_workers(stage.workers)
        else:
            self._hand_over_workers(stage.workers)
            for gate in stage.gates if stage.share else ():
                if gate.asked_again:
                    self._pass(gate, stage)
            served = self._move_traffic(stage)
        notes += [self._pass(gate, stage) for gate in stage.gates if gate.under_traffic]
        notes += [
            self._shrink(side, counts, stage, is_served=served)
            for side, counts in ((self.old, stage.old), (self.new, stage.new))
        ]
        return "; ".join(filter(None, notes))

    def stand_in(self) -> bool:
        """Send all traffic to the old release at once, if it stands by healthy; whether it did.

        Half of it is better than a release that failed.
        """
        old = self.old
        if old is None:
            return False
        there = self._running(old)
        if any(2 * there[name] < count for name, count in old.release.counts(Role.APP).items()):
            return False
        if not is_healthy(replace(old, replicas=there)):
            return False
        self.engine.route(old.release, {old.slot: 100})
        return True

    def _free_slot(self, stage: Stage) -> None:
        """Bring users out of the slot that the new release takes, if a third one is served there.

        A host that was away when the others went on with a canary, or back from it, still has it.
        """
        new, old = self.new, self.old
        if new is None or old is None or not any(stage.new.values()):
            return
        observed = self.engine.observe()
        if all(item.release == new.release.id for item in observed.of(new.slot, Role.APP)):
            return
        if self.engine.routes(observed).share(new.slot):
            self._route(old.release, {old.slot: 100}, ANYBODY)
            self._drained(old)

    def _grow(self, side: GateContext | None, counts: Counts) -> None:
        """Start what a stage wants of a release; what is too much stays until users have left."""
        if side is None or not any(counts.values()):
            return
        there = self._running(side)
        wanted = {name: max(count, there[name]) for name, count in counts.items() if count}
        if any(there[name] < count for name, count in wanted.items()):
            # Users of the slot meet what is added only once it has passed its gates.
            self.engine.pin(side.slot, wanted)
        # Workers stand ready, so that their hand-over is short.
        ready = side.release.named(Role.WORKER)
        self.engine.start(side.release, side.slot, wanted, ready)

    def _shrink(
        self, side: GateContext | None, counts: Counts, stage: Stage, *, is_served: bool
    ) -> str:
        """Stop what a stage does not want any more, once its users have left."""
        if side is None:
            return ""
        if not any(counts.values()):
            # Nobody waits for the last request of an outage.
            note = self._drained(side) if is_served else ""
            self.engine.stop(side.slot, side.release.named(Role.APP))
            return note
        there = self._running(side)
        if all(there[name] <= count for name, count in counts.items()):
            return ""
        left = {name: count for name, count in counts.items() if count}
        # Users leave what goes first: its address is one of the slot's for as long as it is there.
        is_pinned = self.engine.pin(side.slot, left)
        note = self._drained(side) if is_served or is_pinned else ""
        self.engine.stop(side.slot, [name for name, count in counts.items() if not count])
        self.engine.start(side.release, side.slot, left)
        if is_pinned:
            self._move_traffic(stage)
        return note

    def way_back(self, wanted: Counts) -> list[Stage]:
        """The stages before the last one of a way back to so many containers of the old release."""
        if self.old is None or self.new is None:
            return []
        there, left = self._running(self.old), self._running(self.new)
        return restore_in_batches(wanted, there, left, self.rollout)

    def _running(self, side: GateContext) -> Counter[str]:
        """Service -> its containers that run."""
        found = self.engine.observe().of(side.slot, Role.APP)
        ours = (item for item in found if item.release == side.release.id and item.running)
        return Counter(item.service for item in ours)

    def _pass(self, gate: Gate, stage: Stage) -> str:
        return _ask(gate, self.new, stage.new)

    def _hand_over_workers(self, wanted: Workers) -> None:
        """One version of a worker at a time, unless it is declared safe to overlap."""
        coming = {Workers.NEW: self.new, Workers.OLD: self.old, Workers.NONE: None}[wanted]
        if coming:
            settings = coming.release.settings
            counts = coming.release.counts(Role.WORKER)
            early = {name: count for name, count in counts.items() if settings(name).overlap}
            self.engine.start(coming.release, coming.slot, early)
        for side in (self.old, self.new):
            if side and side is not coming:
                self.engine.stop(side.slot, side.release.named(Role.WORKER))
        if coming:
            self.engine.start(coming.release, coming.slot, counts)

    def _move_traffic(self, stage: Stage) -> bool:
        """Put a stage's shares in force; returns whether anybody serves now."""
        shares = {}
        if self.new and stage.share:
            shares[self.new.slot] = stage.share
        if self.old and stage.runs_old and stage.share < 100:
            shares[self.old.slot] = 100 - stage.share
        if sum(shares.values()) != 100:
            shares = {}  # the first release, or recreate: nobody serves
        leading = self.new if stage.share >= 50 or self.old is None else self.old
        policy = self._policy(stage)
        if policy.previews:
            shares.setdefault(policy.preview_slot, 0)
        if leading:
            self._route(leading.release, shares, policy)
        return bool(shares)

    def _policy(self, stage: Stage) -> Policy:
        """How users are told apart; nobody is where only one release runs."""
        if self.new is None or not stage.can_pause:
            return ANYBODY
        policy = stage.policy
        if policy.preview_header or policy.preview_cookie:
            return replace(policy, preview_slot=self.new.slot)
        # Where one release has all traffic, nobody has to be told from anybody.
        return policy if stage.share else ANYBODY

    def _route(self, release: Release, shares: dict[str, int], policy: Policy) -> None:
        """Send traffic by a router that may have died, or dies meanwhile; it is started again."""
        route = self.engine.route
        # An engine that cannot tell users apart is not asked to.
        send = partial(route, release, shares, *([] if policy == ANYBODY else [policy]))
        if shares:
            self._wake_router(release)
        try:
            send()
        except Locked:
            raise
        except Exception:
            if not shares and router_fault(self.engine, release, self.engine.observe()):
                return  # it sends nobody anywhere
            if not self._wake_router(release):
                raise
            send()

    def _wake_router(self, release: Release) -> bool:
        woken = restart_router(self.engine, release)
        side = self.new or self.old
        if woken and side:
            health = Health(self.rollout.health_timeout, (Role.ROUTER,))
            pass_gate(health, replace(side, release=release, slot=""))
        return woken

    def _drained(self, side: GateContext) -> str:
        """Let requests and WebSockets of earlier routes finish, up to the drain time."""
        given = [side.release.settings(name).drain for name in side.release.named(Role.APP)]
        limit = max((self.rollout.drain if one is None else one for one in given), default=0.0)
        started = time.monotonic()
        while self.engine.open_on_old_routes():
            if time.monotonic() - started >= limit:
                return f"open connections were cut after a drain time of {format_duration(limit)}"
            self.check_cancelled()
            time.sleep(_POLL)
        return ""


def _ask(gate: Gate, side: GateContext | None, counts: Counts) -> str:
    return pass_gate(gate, replace(side, replicas=counts)) if side else ""
