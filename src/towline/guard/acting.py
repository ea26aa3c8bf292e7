"""What the guard does once it has decided: under the lock, where all is looked at once more.

Two guards may watch one environment, and a person may deploy in the same second. So what was
decided holds only if, under the lock, the same release is live, nothing was interrupted, and no
other guard was faster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice

from towline.config.guard_section import Guard
from towline.environments.host_environment import Fleet, observe
from towline.environments.lead_lock import secured
from towline.environments.notes import note
from towline.errors import CheckFailed, HostLost, Locked, TowlineError
from towline.guard.record import NOTE, Action, GuardRecord, read_records
from towline.progress import Progress
from towline.rollout import interrupted, operations
from towline.rollout.events import Alert, Events, Listener, find_listeners
from towline.rollout.host_rollout import PlanOutdated
from towline.rollout.operation import Operation
from towline.state import hold
from towline.state.actor import acting_as
from towline.state.lock import silent

ACTOR = "guard"
# Operations of the journal in which another guard would have left its record.
_LOOKED_AT = 20
# Before anything began, these say only that a rollback is not possible now.
_PASSING = (HostLost, PlanOutdated, CheckFailed)


class Overtaken(TowlineError):
    """What the guard saw is not so any more: somebody else was faster."""


@dataclass(frozen=True)
class Acting:
    """Carries decisions out on an environment.

    Attributes:
        fleet: It, opened just now.
        reopen: Opens it once more: whoever lost the lock knows the end of the journal no more.
        settings: The guard's.
        progress: Shows the steps of a rollback.
        say: Told whom it waits for.
        listeners: Who is told besides; those of `rollout/listeners/`.
    """

    fleet: Fleet
    reopen: Callable[[], Fleet]
    settings: Guard
    progress: Progress
    say: Callable[[str], None] = silent
    listeners: Sequence[Listener] | None = None

    def carry_out(self, record: GuardRecord) -> GuardRecord:
        """Do what a record says, write it down, and tell listeners.

        Returns:
            The record, or that of a rollback that failed.

        Raises:
            Locked: When somebody is running an operation; nothing was done.
            Overtaken: When another release is live by now, or another guard acted; neither.
            HostLost: When a host was lost before anything began; it can be tried again. So it can
                after a PlanOutdated or a CheckFailed.
        """
        with acting_as(ACTOR):
            if record.action is Action.ROLLBACK:
                return self._roll_back(record)
            with secured(self.fleet.lead, f"guard: {record.action}", say=self.say):
                _refuse_overtaken(self.fleet, record)
                if record.action is Action.HOLD:
                    _hold(self.fleet, record)
                self._note(self.fleet, record)
            self._alert(record)
            return record

    def _roll_back(self, record: GuardRecord) -> GuardRecord:
        reason = f"guard: {record.trigger}: {record.text}"
        began: list[GuardRecord] = []

        def admit() -> None:
            _refuse_overtaken(self.fleet, record)
            self._note(self.fleet, record)
            began.append(record)

        _refuse_overtaken(self.fleet, record)
        try:
            operation = operations.rollback(
                self.fleet, reason=reason, keep_schema=self.settings.keep_schema
            )
            _refuse_other_target(operation, record)
            _in_a_thread(lambda: replace(operation, also_admit=admit).run(self.progress))
        except (Locked, Overtaken):
            if not began:
                raise
            return self._failed(record, "the lock was lost")
        except TowlineError as error:
            if not began and isinstance(error, _PASSING):
                raise
            return self._failed(record, error.message)
        self._alert(record)
        return record

    def _failed(self, record: GuardRecord, why: str) -> GuardRecord:
        """Write down that a rollback failed; where that cannot be done, it is told at least."""
        failed = replace(record, action=Action.FAILED, why=why)
        try:
            fleet = self.reopen()
            with secured(fleet.lead, "guard: failed", say=self.say):
                _hold(fleet, failed)
                self._note(fleet, failed)
        except (OSError, TowlineError) as error:
            self.say(f"this could not be written down: {error}")
        self._alert(failed)
        return failed

    def _note(self, fleet: Fleet, record: GuardRecord) -> None:
        note(fleet.lead, NOTE, record.data(), say=self.say)

    def _alert(self, record: GuardRecord) -> None:
        site = self.fleet.lead
        redact = site.redactor.redact
        listeners = find_listeners() if self.listeners is None else self.listeners
        events = Events(listeners)
        events.open()
        events.tell(
            Alert(
                site.project.settings.project,
                site.name,
                record.release,
                record.trigger,
                redact(record.text),
                str(record.action),
                redact(record.why),
            )
        )
        events.close()


def _refuse_overtaken(fleet: Fleet, record: GuardRecord) -> None:
    """What was observed is still so; asked under the lock, too.

    Raises:
        Overtaken: When it is not.
    """
    site = fleet.lead
    live = observe(site).live
    if live is None or live.id != record.release:
        raise Overtaken(f"{live.id if live else 'nothing'} is live by now")
    if record.action is not Action.ROLLBACK:
        return
    if left := interrupted.of_journal(site.journal.newest()):
        raise Overtaken(f"{left.kind} {left.release} was interrupted meanwhile")
    newest = next(read_records(islice(site.journal.recent(), _LOOKED_AT)), None)
    if newest and newest.action is Action.ROLLBACK and newest.release == record.release:
        raise Overtaken(f"another guard rolled back from {record.release}")


def _refuse_other_target(operation: Operation, record: GuardRecord) -> None:
    if operation.plan.release != record.target:
        raise Overtaken(f"a rollback would bring back {operation.plan.release} by now")


def _hold(fleet: Fleet, record: GuardRecord) -> None:
    """Hold deploys, unless somebody did so already: their reason stays."""
    site = fleet.lead
    if hold.read(site.host.files, site.state) is None:
        hold.put(site.files, site.state, f"guard: {record.sentence}")


def _in_a_thread(act: Callable[[], object]) -> None:
    """Act where signals do not reach: whoever stops the guard does not stop its rollback halfway.

    The executor takes signals for itself only on the main thread.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(act).result()
