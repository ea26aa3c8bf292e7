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
from towline.guard.record import Action, GuardRecord, recent
from towline.guard.registration import BEAT
from towline.guard.request_counter import RequestCounter
from towline.guard.situation import Situation, read_decided, read_situation
from towline.guard.trigger import Signal, Trigger, make_triggers
from towline.guard.vigil import Turn, Vigil
from towline.guard.watched import Watched
from towline.hosts.waiting import is_transient
from towline.progress import Progress, Silent
from towline.rollout.events import Listener
from towline.state import lock

# Seconds that a pause may take longer than it should.
_OVERSLEPT = 10.0


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
    _last: str = ""
    _known: list[GuardRecord] = field(default_factory=list)
    _headline: str = ""
    _is_headed: bool = False
    _told: str = ""
    _away: str = ""
    _reopens: float = 0.0
    _mentioned: set[tuple[str, ...]] = field(default_factory=set)

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
                wakes = self.clock() + pause
                if self.sleep(pause):
                    return self.watched
                if self.clock() > wakes + _OVERSLEPT:
                    # The machine was asleep.
                    self._lose_sight()
        finally:
            self._leave()

    def _lose_sight(self) -> None:
        if self._vigil:
            self._vigil.lose_sight(self.clock())

    def _round(self) -> None:
        self.watched.rounds += 1
        try:
            self._look()
        except Exception as error:
            if not is_transient(error):
                raise
            # A connection that was cut is made anew; that says nothing about a release.
            self._leave()
            self._lose_sight()
            self.watched.blind = str(error) or type(error).__name__
            self._is_headed = False
            self._tell(f"nothing can be seen: {self.watched.blind}")

    def _look(self) -> None:
        self._fleet = fleet = self._reach()
        holder = lock.living(fleet.lead.host.files, fleet.lead.state.lock)
        if holder:
            # Whoever deploys has gates of their own; what was counted before counts no more.
            self._vigil, self._is_headed = None, False
            self._tell(f"paused: {holder}")
            return
        seen = look_at(fleet, self.clock(), self._counter_of(fleet), self._reader_of(fleet))
        away = "; ".join(seen.away)
        self.watched.blind = "" if seen.services else away
        if away != self._away:
            self.say(f"not watched: {away}" if away else "all hosts are watched again")
            self._away = away
        if not seen.release:
            self._vigil, self._is_headed = None, False
            blind = self.watched.blind
            self.watched.release = self.watched.release if blind else ""
            self._tell(f"nothing can be seen: {blind}" if blind else "nothing is live")
            return
        vigil = self._vigil_of(fleet, seen)
        turns = vigil.take(seen)
        self._head(vigil)
        self._judge(turns, vigil)

    def _reach(self) -> Fleet:
        """The environment; now and then anew: a host may be back, or another one the lead.

        Where the same hosts are there, the connections stay: checks are asked over them.
        """
        fleet = self._fleet
        if fleet and (_is_single(fleet) or self.clock() < self._reopens):
            return fleet
        self._reopens = self.clock() + BEAT
        try:
            found = self.look()
        except Exception as error:
            if fleet is None or not is_transient(error):
                raise
            return fleet
        if fleet and _is_same(found, fleet):
            close_fleet(found)
            return fleet
        self._leave()
        return found

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
            self._note_change(fleet, seen.release)
            self._vigil = Vigil(seen.release, self.settings, read_decided(fleet, seen.release))
            self._headline, self._is_headed = "", False
            self._mentioned.clear()
        return self._vigil

    def _head(self, vigil: Vigil) -> None:
        """Say what is watched: when that is new, and when it is seen again."""
        self._headline = self._headline or f"watching {vigil.release}{self._prospect(vigil)}"
        if not self._is_headed:
            self._is_headed = True
            self._tell(self._headline)

    def _note_change(self, fleet: Fleet, release: str) -> None:
        """Somebody else may have changed what is live; another guard says so in the journal."""
        records, left = recent(fleet.lead.journal), self._last
        if left not in ("", release) and not self.watched.has_left(left):
            for item in records:
                if item not in self._known and item.has_left(left):
                    self.watched.records.append(item)
                    self.say(f"another guard rolled back from {left} to {item.target}")
        self.watched.first = self.watched.first or release
        self.watched.release = self._last = release
        self._known = records

    def _prospect(self, vigil: Vigil) -> str:
        """What the guard would do, known before it is needed: a person may still change it."""
        trigger = next((item for item in make_triggers(self.settings) if item.blames_release), None)
        if trigger is None:
            return ""
        try:
            with self._opened() as fleet:
                situation = read_situation(fleet, self.settings, vigil.faults(trigger))
        except Exception as error:
            if not is_transient(error):
                raise
            return f"; whether it could roll back is not known: {error}"
        decision = decide(trigger, situation, self.settings)
        if situation.release != vigil.release or decision.action is None:
            return ""
        if decision.action is Action.ROLLBACK:
            return f"; it would roll back to {situation.target}"
        why = decision.why or "guard.on_trigger"
        return f"; it would not roll back ({why})"

    def _judge(self, turns: Sequence[Turn], vigil: Vigil) -> None:
        for turn in turns:
            self._mentioned -= {item for item in self._mentioned if item[0] == turn.trigger.name}
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
            self._mention(record, record.sentence)
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
            self._mention(record, record.sentence)
        try:
            done = acting.carry_out(record)
        except (Locked, Overtaken) as error:
            self._mention(record, f"nothing was done: {error}", str(error))
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

    def _mention(self, record: GuardRecord, text: str, why: str = "") -> None:
        """Say what becomes of a trigger that fires, once: its figures change in every round."""
        key = (record.trigger, str(record.action), record.why, why)
        if key not in self._mentioned:
            self._mentioned.add(key)
            self.say(text)

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
        # Sources of figures keep hold of the connection.
        fleet, self._fleet, self._reader = self._fleet, None, None
        if fleet:
            close_fleet(fleet)


def _is_single(fleet: Fleet) -> bool:
    """Whether there is one host, and never another one."""
    return len(fleet.sites) == 1 and not fleet.away and not fleet.leaderless


def _is_same(one: Fleet, other: Fleet) -> bool:
    """Whether two fleets have the same hosts, and the same lead."""
    first, second = ([site.host.name for site in fleet.sites] for fleet in (one, other))
    return first == second and bool(one.leaderless) == bool(other.leaderless)


def _record(
    trigger: Trigger, signal: Signal, situation: Situation, action: Action, why: str
) -> GuardRecord:
    target = situation.target if action is Action.ROLLBACK else ""
    return GuardRecord(
        trigger.name, situation.release, action, signal.text, why, target, signal.figures
    )
