"""The watcher: look, ask the triggers, decide, act; round after round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from towline.config.guard_section import Guard
from towline.environments.fence import now
from towline.environments.host_environment import Fleet
from towline.environments.opening import close_fleet
from towline.errors import Locked
from towline.guard.acting import Acting, Overtaken
from towline.guard.check_reader import CheckReader
from towline.guard.decision import decide
from towline.guard.observation import Observation, look_at
from towline.guard.record import Action, GuardRecord
from towline.guard.request_counter import RequestCounter
from towline.guard.returning import Opener
from towline.guard.situation import Situation, read_decided, read_situation
from towline.guard.trigger import Signal, Trigger, make_triggers
from towline.guard.vigil import Vigil
from towline.guard.watched import Watched
from towline.hosts.waiting import is_transient
from towline.progress import Progress, Silent
from towline.rollout.events import Listener
from towline.state import lock


@dataclass
class Watcher:
    """Watches one environment.

    Attributes:
        look: Opens the environment to look at it, and `open` to change it.
        say: Told about each change of state, a line each.
        sleep: Sleeps for so many seconds; True when the guard is asked to stop.
        clock: Seconds; it goes on while the machine sleeps.
        progress: Shows the steps of a rollback.
        listeners: Who is told; None for all there are.
        beat: Called after each round in which the environment was seen.
    """

    settings: Guard
    look: Callable[[], Fleet]
    open: Callable[[], Fleet]
    say: Callable[[str], None]
    sleep: Callable[[float], bool]
    clock: Callable[[], float] = now
    progress: Progress = field(default_factory=Silent)
    listeners: Sequence[Listener] | None = None
    beat: Callable[[Fleet], None] = lambda _: None
    watched: Watched = field(default_factory=Watched)
    _counter: RequestCounter = field(default_factory=RequestCounter)
    _reader: CheckReader | None = None
    _fleet: Fleet | None = None
    _vigil: Vigil | None = None
    _headline: str = ""
    _told: str = ""
    _opener: Opener = field(init=False)

    def __post_init__(self) -> None:
        self._opener = Opener(self.look, self.clock)

    def watch(self, limit: float | None = None) -> Watched:
        """Watch until somebody asks the guard to stop.

        Args:
            limit: Seconds after which it stops; then also once it rolled back, or failed to.
        """
        ends = None if limit is None else self.clock() + limit
        try:
            while True:
                self._round()
                if self._fleet:
                    self.beat(self._fleet)
                pause = self.settings.interval
                if ends is not None:
                    pause = min(pause, ends - self.clock())
                    if pause <= 0 or self.watched.has(Action.ROLLBACK, Action.FAILED):
                        return self.watched
                if self.sleep(pause):
                    return self.watched
        finally:
            self._leave()

    def _round(self) -> None:
        self.watched.rounds += 1
        try:
            self._look()
        except Exception as error:
            if not is_transient(error):
                raise
            # A connection that was cut is made anew; that says nothing about a release.
            self._leave()
            self.watched.blind = str(error) or type(error).__name__
            self._tell(f"nothing can be seen: {self.watched.blind}")

    def _look(self) -> None:
        fleet = self._opener.opened(self._fleet)
        if fleet is not self._fleet:
            # Sources keep hold of the connection; with all hosts there, more may be possible.
            self._fleet, self._reader, self._headline = fleet, None, ""
        holder = lock.living(fleet.lead.host.files, fleet.lead.state.lock)
        if holder:
            # Whoever deploys has gates of their own; what was counted before counts no more.
            self._vigil = None
            self._tell(f"paused: {holder}")
            return
        seen = look_at(fleet, self.clock(), self._counter_of(fleet), self._reader_of(fleet))
        self.watched.blind = "" if seen.services else "; ".join(seen.away)
        if not seen.release:
            self._vigil = None
            blind = self.watched.blind
            self._tell(f"nothing can be seen: {blind}" if blind else "nothing is live")
            return
        self._judge(seen, self._vigil_of(fleet, seen))

    def _counter_of(self, fleet: Fleet) -> RequestCounter | None:
        """What counts requests; None where nobody wants to know, or the router keeps no log."""
        is_wanted = self.settings.triggers.errors is not None
        is_there = fleet.lead.environment.analysis.keeps_request_log
        return self._counter if is_wanted and is_there else None

    def _reader_of(self, fleet: Fleet) -> CheckReader | None:
        """What asks the checks of `analysis`; None where there are none."""
        wanted, section = self.settings.triggers.checks, fleet.lead.environment.analysis
        if wanted is None or not section.checks:
            return None
        self._reader = self._reader or CheckReader(section, wanted.window)
        return self._reader

    def _vigil_of(self, fleet: Fleet, seen: Observation) -> Vigil:
        """The watch over the release that is live; a new one where another went live."""
        if self._vigil is None or self._vigil.release != seen.release:
            self.watched.release = seen.release
            self._vigil = Vigil(seen.release, self.settings, read_decided(fleet, seen.release))
            self._headline = ""
        if not self._headline:
            self._headline = f"watching {seen.release}{self._prospect(seen.release)}"
        self._tell(self._headline)
        return self._vigil

    def _prospect(self, release: str) -> str:
        """What the guard would do, known before it is needed: a person may still change it."""
        trigger = next((item for item in make_triggers(self.settings) if item.blames_release), None)
        if trigger is None:
            return ""
        try:
            with self._opened() as fleet:
                situation = read_situation(fleet, self.settings)
        except Exception as error:
            if not is_transient(error):
                raise
            return f"; nothing can be done yet: {error}"
        decision = decide(trigger, situation, self.settings)
        if situation.release != release or decision.action is None:
            return ""
        if decision.action is Action.ROLLBACK:
            return f"; it would roll back to {situation.target}"
        why = decision.why or "guard.on_trigger"
        return f"; it would not roll back ({why})"

    def _judge(self, seen: Observation, vigil: Vigil) -> None:
        for turn in vigil.take(seen):
            self.say(turn.text)
            if turn.recovers:
                self._recover(turn.trigger, vigil)
        for trigger, signal in vigil.fired:
            # A rollback brings another release, and each has its own watch.
            if vigil is self._vigil:
                self._decide(trigger, signal, vigil)

    def _recover(self, trigger: Trigger, vigil: Vigil) -> None:
        said = GuardRecord(trigger.name, vigil.release, Action.RECOVERED, "")
        try:
            with self._opened() as fleet:
                self._act(fleet, said)
        except Exception as error:
            if not is_transient(error):
                raise
            self.say(f"that {trigger.name} is well again could not be written down: {error}")

    def _decide(self, trigger: Trigger, signal: Signal, vigil: Vigil) -> None:
        try:
            with self._opened() as fleet:
                self._decide_on(fleet, trigger, signal, vigil)
        except Exception as error:
            if not is_transient(error):
                raise
            # A host is away, perhaps: all hosts move as one, so the next round tries again.
            why = f"nothing can be done yet: {error}"
            record = GuardRecord(
                trigger.name, vigil.release, Action.NOTIFY, signal.text, why, "", signal.figures
            )
            self._tell(record.sentence)
            if not self.watched.records:
                self.watched.records.append(record)

    def _decide_on(self, fleet: Fleet, trigger: Trigger, signal: Signal, vigil: Vigil) -> None:
        situation = read_situation(fleet, self.settings, vigil.faults(trigger))
        if situation.release != vigil.release:
            return
        decision = decide(trigger, situation, self.settings)
        if decision.action is None:
            self._tell(f"paused: {decision.why}")
        elif vigil.is_new(trigger, decision.action):
            self._act(fleet, _record(trigger, signal, situation, decision.action, decision.why))

    def _act(self, fleet: Fleet, record: GuardRecord) -> None:
        acting = Acting(fleet, self.open, self.settings, self.progress, self.say, self.listeners)
        if record.action is not Action.RECOVERED:
            self.say(record.sentence)
        try:
            done = acting.carry_out(record)
        except (Locked, Overtaken) as error:
            self.say(f"nothing was done: {error}")
            return
        if done.action is Action.RECOVERED:
            return
        self.watched.records.append(done)
        if self._vigil:
            self._vigil.note(done.trigger, done.action)
        if done.action is Action.ROLLBACK:
            self.say(f"rolled back from {done.release} to {done.target}")
            self._vigil = None
        elif done is not record:
            self.say(done.sentence)

    def _tell(self, text: str) -> None:
        """Say how things stand, once."""
        if text != self._told:
            self._told = text
            self.say(text)

    @contextmanager
    def _opened(self) -> Iterator[Fleet]:
        """The environment, opened anew: what was read earlier may be old."""
        fleet = self.open()
        try:
            yield fleet
        finally:
            close_fleet(fleet)

    def _leave(self) -> None:
        fleet, self._fleet = self._fleet, None
        if fleet:
            close_fleet(fleet)


def _record(
    trigger: Trigger, signal: Signal, situation: Situation, action: Action, why: str
) -> GuardRecord:
    target = situation.target if action is Action.ROLLBACK else ""
    return GuardRecord(
        trigger.name, situation.release, action, signal.text, why, target, signal.figures
    )
