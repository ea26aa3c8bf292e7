"""When a step fails: the old release serves everything again, the new one is stopped.

On several hosts all go back that were touched: no host is left on the new release. What failed,
its figures, the last log lines and the next command to type are said in one error; the logs of
the failed release are kept beside it, and it is marked bad.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from towline.errors import NeedsPerson, RolledBack, TowlineError
from towline.hosts.waiting import cut
from towline.rollout.fence import if_possible
from towline.rollout.interrupts import Interrupted
from towline.rollout.lane import Lane
from towline.rollout.lock import Fenced
from towline.rollout.parallel import HostFailed, fill, on_all, told
from towline.rollout.plan import Plan
from towline.rollout.progress import Progress


@dataclass(frozen=True)
class Recovery:
    """The way back from one failed operation."""

    lanes: Sequence[Lane]
    operation: str
    progress: Progress

    @property
    def _plan(self) -> Plan:
        return self.lanes[0].plan

    def go_back(self, step: str, failure: HostFailed) -> NoReturn:
        """Bring the old release back and raise what the person must know.

        Raises:
            RolledBack: The old release serves again, on every host.
            Fenced: The lock was lost; nothing more was done.
            NeedsPerson: Going back failed too.
            TowlineError: Nothing was touched, or nothing served before.
        """
        error = failure.error
        reason, remedy, details = _words(failure.lane, error)
        others = failure.others
        if isinstance(error, Interrupted):
            # On whichever host it was noticed first says nothing.
            what = f"{self._plan.kind} {self._plan.release} was {reason} at step {step}"
            remedy, others = f"`{self._command()}` begins again", []
        else:
            where = f" on {failure.lane.name}" if len(self.lanes) > 1 else ""
            what = f"{self._plan.kind} {self._plan.release} failed at step {step}{where}: {reason}"
        touched = [lane for lane in self.lanes if lane.touched]
        if not touched:
            self._end({"error": reason})
            raise TowlineError(
                f"{what}; nothing was changed", details=[*others, *details], remedy=remedy
            ) from error
        try:
            details = self._keep_logs(touched, failure.lane, details)
            self._restore(touched)
        except Fenced:
            raise
        except Exception as second:
            if isinstance(second, HostFailed) and isinstance(second.error, Fenced):
                raise second.error from error
            self._needs_person(what, reason, second, [*others, *details], error)
        self._mark_bad(touched, error, reason)
        before = {lane.plan.old.id for lane in touched if lane.plan.old}
        self._end({"error": reason, "rolled_back": bool(before)})
        remedy = remedy or self._next_command()
        details = [*others, *details]
        if not before:
            nothing = f"{what}; nothing served before, and nothing does now"
            raise TowlineError(nothing, details=details, remedy=remedy) from error
        serves = f"{what}; {self._serving(touched)}"
        raise RolledBack(serves, details=details, remedy=remedy) from error

    def _needs_person(
        self, what: str, reason: str, second: Exception, details: list[str], error: Exception
    ) -> NoReturn:
        lane, cause = self.lanes[0], second
        if isinstance(second, HostFailed):
            lane, cause = second.lane, second.error
            details = [*details, *second.others]
        why = _words(lane, cause)[0]
        self._end({"error": reason, "restore": why})
        where = f" on {lane.name}" if len(self.lanes) > 1 else ""
        env, old = f"--env {self._plan.environment}", self._plan.old
        back = f"`inv deploy {env} --version {old.id}`" if old else f"`inv down {env}`"
        raise NeedsPerson(
            f"{what}; going back failed too{where}: {why}",
            details=details,
            remedy=f"look at `inv status {env}`, mend the cause, then {back}",
        ) from error

    def _serving(self, touched: Sequence[Lane]) -> str:
        """What serves now, in words; the same on all hosts unless they differed before."""
        olds = [lane.plan.old.id if lane.plan.old else "nothing" for lane in touched]
        if len(set(olds)) == 1:
            everywhere = f" on all {len(self.lanes)} hosts" if len(self.lanes) > 1 else ""
            return f"{olds[0]} serves all traffic{everywhere}"
        each = ", ".join(f"{lane.name}: {old}" for lane, old in zip(touched, olds, strict=True))
        return f"as before, there serves {each}"

    def _restore(self, touched: Sequence[Lane]) -> None:
        served = any(lane.plan.old for lane in touched)
        title = "bring the old release back" if served else "stop the new release"
        journal = self.lanes[0].site.journal
        with self.progress.step(title) as note:
            # A journal that cannot be written (a full disk) must not keep users waiting.
            with if_possible():
                journal.write(self.operation, "intent", "restore")
            # One that cannot go back must not keep the others from it.
            notes = on_all(touched, Lane.restore, tick=None)
            fill(note, touched, notes)
        with if_possible():
            data = {"ok": True, "note": told(touched, notes)}
            journal.write(self.operation, "outcome", "restore", data)

    def _end(self, data: dict[str, object]) -> None:
        with if_possible():
            journal = self.lanes[0].site.journal
            journal.write(self.operation, "end", data={"ok": False, **data})

    def _mark_bad(self, touched: Sequence[Lane], error: Exception, reason: str) -> None:
        """A release that failed is bad; one that somebody interrupted is only unproven."""
        for lane in touched:
            again = lane.plan.old is not None and lane.plan.old.id == lane.plan.release
            if not (isinstance(error, Interrupted) or lane.plan.kind != "deploy" or again):
                lane.mark_bad(reason)

    def _keep_logs(self, touched: Sequence[Lane], culprit: Lane, details: list[str]) -> list[str]:
        """Save the logs of every host; returns what is shown: the lines of the one that failed."""
        for lane in touched:
            printed: list[str] = []
            # A host that cannot be reached must not keep the others from going back.
            with if_possible():
                printed = lane.keep_logs()
            if lane is culprit and not details:
                details = printed
        return details

    def _command(self) -> str:
        """What somebody typed, but for its details."""
        environment, kind = self._plan.environment, self._plan.kind
        if kind == "rollback":
            return f"inv rollback --env {environment} --version {self._plan.release}"
        return f"inv {'deploy.abort' if kind == 'abort' else kind} --env {environment}"

    def _next_command(self) -> str:
        environment = self._plan.environment
        if self._plan.kind == "rollback":
            return f"`inv rollback --env {environment} --list-versions` shows what else is kept"
        return f"mend it, `inv promote`, then `inv deploy --env {environment}`"


def _words(lane: Lane, error: Exception) -> tuple[str, str, list[str]]:
    """Reason, remedy and details of an error, without secrets."""
    redact = lane.site.redactor.redact
    if isinstance(error, TowlineError):
        details = [redact(line) for line in error.details]
        return redact(error.message), redact(error.remedy), details
    if cut(error):
        host = lane.site.host.name
        return f"the connection to the engine of {host} broke ({type(error).__name__})", "", []
    return redact(f"{type(error).__name__}: {error}"), "", []
