"""When a step fails: the old release serves everything again, the new one is stopped.

On several hosts all roll back that were touched: no host is left on the new release. What failed,
its figures, the last log lines and the next command to type are said in one error; the logs of
the failed release are retained beside it, and it is marked bad.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from towline.environments.fence import if_possible
from towline.errors import ManualInterventionRequired, RolledBack, TowlineError
from towline.rollout.blame import fullness, is_infrastructure
from towline.rollout.events import Events
from towline.rollout.failure_logs import keep_logs, mark_bad
from towline.rollout.host_rollout import CancellationCheck, HostRollout
from towline.rollout.parallel import HostFailed, annotate, on_all, summarize
from towline.rollout.plan import Plan
from towline.rollout.signals import Interrupted
from towline.rollout.steps.table import RESTORE
from towline.rollout.unreachable import unreachable, works_without
from towline.state.lock import Fenced


@dataclass(frozen=True)
class _Summary:
    """What is said of a failure, without secrets.

    Attributes:
        blamed: Whether it is the release's fault.
        has_lines: Whether the details hold what a container printed already.
    """

    what: str
    reason: str
    remedy: str
    details: list[str]
    blamed: bool
    has_lines: bool = False


@dataclass(frozen=True)
class Recovery:
    """The way back from one failed operation, which began at `since` (by `fence.now`).

    Attributes:
        touched: Names of the hosts on which something may have changed.
    """

    parts: Sequence[HostRollout]
    touched: Collection[str]
    operation: str
    events: Events
    since: float

    @property
    def _plan(self) -> Plan:
        return self.parts[0].plan

    def go_back(self, step: str, failure: HostFailed) -> NoReturn:
        """Bring the old release back and raise what the person must know.

        Raises:
            RolledBack: The old release serves again, on every host.
            Fenced: The lock was lost; nothing more was done.
            ManualInterventionRequired: The rollback also failed.
            TowlineError: Nothing was touched, or nothing served before.
        """
        error = failure.error
        touched = [part for part in self.parts if part.name in self.touched]
        said = self._summarize(step, failure, touched=bool(touched))
        if not touched:
            self._end({"error": said.reason})
            nothing = "nothing was changed"
            if self._plan.kind == "reload":
                nothing = "what was there before is back"
            raise TowlineError(
                f"{said.what}; {nothing}", details=said.details, remedy=said.remedy
            ) from error
        try:
            self._restore(touched)
        except Fenced:
            raise
        except Exception as second:
            if isinstance(second, HostFailed) and isinstance(second.error, Fenced):
                raise second.error from error
            self._keep_logs(touched, failure, said)
            self._require_intervention(said, second, error)
        self._keep_logs(touched, failure, said)
        if said.blamed:
            self._mark_bad(touched, said.reason)
        before = {part.plan.old.id for part in touched if part.plan.old}
        self._end({"error": said.reason, "rolled_back": bool(before)})
        remedy = said.remedy or self._next_command()
        if not before:
            nothing = f"{said.what}; nothing served before, and nothing does now"
            raise TowlineError(nothing, details=said.details, remedy=remedy) from error
        serves = f"{said.what}; {self._serving()}"
        raise RolledBack(serves, details=said.details, remedy=remedy) from error

    def _summarize(self, step: str, failure: HostFailed, *, touched: bool) -> _Summary:
        full = fullness(failure.part, failure.error)
        reason, remedy, details = _words(failure.part, full or failure.error)
        operation = f"{self._plan.kind} {self._plan.release}"
        if isinstance(failure.error, Interrupted):
            # On whichever host it was noticed first says nothing.
            what = f"{operation} was {reason} at step {step}"
            remedy = f"`{self._command()}` begins again"
            return _Summary(what, reason, remedy, details, blamed=False, has_lines=bool(details))
        where = f" on {failure.part.name}" if len(self.parts) > 1 else ""
        blamed = self._is_to_blame(failure)
        if full:
            remedy = f"{remedy}, then {self._again()}"
        elif touched and not blamed:
            remedy = f"check {failure.part.name}, then {self._again()}"
        what = f"{operation} failed at step {step}{where}: {reason}"
        told = [*failure.others, *details]
        return _Summary(what, reason, remedy, told, blamed=blamed, has_lines=bool(details))

    def _require_intervention(
        self, said: _Summary, second: Exception, error: Exception
    ) -> NoReturn:
        part, cause, details = self.parts[0], second, said.details
        if isinstance(second, HostFailed):
            part, cause = second.part, second.error
            details = [*details, *second.others]
        why = _words(part, fullness(part, cause) or cause)[0]
        self._end({"error": said.reason, "restore": why})
        where = f" on {part.name}" if len(self.parts) > 1 else ""
        env, old = f"--env {self._plan.environment}", self._plan.old
        back = f"inv deploy {env} --version {old.id}" if old else f"inv down {env}"
        remedy = f"look at `inv status {env}`, fix the cause, then `{back}`"
        without = works_without(self.parts, unreachable(second), back)
        raise ManualInterventionRequired(
            f"{said.what}; its rollback also failed{where}: {why}",
            details=details,
            remedy="; ".join(filter(None, [remedy, without])),
        ) from error

    def _serving(self) -> str:
        """What serves now, in words; the same on all hosts unless they differed before."""
        olds = [
            (part.plan.old.id if part.plan.old else "nothing")
            if part.name in self.touched
            else part.plan.live or "nothing"
            for part in self.parts
        ]
        if len(set(olds)) == 1:
            everywhere = f" on all {len(self.parts)} hosts" if len(self.parts) > 1 else ""
            return f"{olds[0]} serves all traffic{everywhere}"
        each = ", ".join(f"{part.name}: {old}" for part, old in zip(self.parts, olds, strict=True))
        return f"as before, there serves {each}"

    def _restore(self, touched: Sequence[HostRollout]) -> None:
        served = any(part.plan.old for part in touched)
        title = "bring the old release back" if served else "stop the new release"
        journal = self.parts[0].site.journal
        with self.events.step(RESTORE, title) as note:
            # A journal that cannot be written (a full disk) must not keep users waiting.
            with if_possible():
                journal.write(self.operation, "intent", RESTORE)
            # One that cannot roll back must not keep the others from it.
            notes = on_all(touched, lambda part, _: part.restore())
            annotate(note, touched, notes)
        with if_possible():
            data = {"ok": True, "note": summarize(touched, notes)}
            journal.write(self.operation, "outcome", RESTORE, data)

    def _end(self, data: dict[str, object]) -> None:
        with if_possible():
            journal = self.parts[0].site.journal
            journal.write(self.operation, "end", data={"ok": False, **data})

    def _is_to_blame(self, failure: HostFailed) -> bool:
        """Whether the release failed, and not only what it runs on."""
        failed = failure.failed or [(failure.part, failure.error)]
        return not all(is_infrastructure(part, error, self.since) for part, error in failed)

    def _again(self) -> str:
        return f"`{self._command()}` again; {self._plan.release} is not marked bad"

    def _mark_bad(self, touched: Sequence[HostRollout], reason: str) -> None:
        """A release that failed is bad; one that was rolled back to, or live before, is not."""
        for part in touched:
            again = part.plan.old is not None and part.plan.old.id == part.plan.release
            if part.plan.kind == "deploy" and not again:
                mark_bad(part.site, part.plan, reason)

    def _keep_logs(
        self, touched: Sequence[HostRollout], failure: HostFailed, said: _Summary
    ) -> None:
        """Save the logs of every host; what is shown are the lines of the one that failed."""
        printed: dict[str, list[str]] = {}

        def keep(part: HostRollout, _: CancellationCheck) -> str:
            with if_possible():
                printed[part.name] = keep_logs(part.site, part.engine, part.plan, part.since)
            return ""

        with suppress(HostFailed):
            on_all(touched, keep)
        if not said.has_lines:
            said.details.extend(printed.get(failure.part.name, []))

    def _command(self) -> str:
        """What somebody typed, but for its details."""
        environment, kind = self._plan.environment, self._plan.kind
        if kind == "rollback":
            return f"inv rollback --env {environment} --version {self._plan.release}"
        task = {"abort": "deploy.abort", "reload": "certificate.reload"}.get(kind, kind)
        return f"inv {task} --env {environment}"

    def _next_command(self) -> str:
        environment = self._plan.environment
        if self._plan.kind == "rollback":
            return f"`inv rollback --env {environment} --list-versions` shows what else is retained"
        return f"fix it, `inv promote`, then `inv deploy --env {environment}`"


def _words(part: HostRollout, error: Exception) -> tuple[str, str, list[str]]:
    """Reason, remedy and details of an error, without secrets."""
    redact = part.site.redactor.redact
    if isinstance(error, TowlineError):
        details = [redact(line) for line in error.details]
        return redact(error.message), redact(error.remedy), details
    return redact(f"{type(error).__name__}: {error}"), "", []
