"""When a step fails: the old release serves everything again, the new one is stopped.

What failed, its figures, the last log lines and the next command to type are said in one
error; the logs of the failed release are kept beside it, and it is marked bad.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from towline.config.services import Role
from towline.engines.releases import Status
from towline.errors import NeedsPerson, RolledBack, TowlineError
from towline.rollout.interrupts import Interrupted
from towline.rollout.plan import Plan
from towline.rollout.progress import Progress
from towline.rollout.site import Site
from towline.rollout.stages import Stages
from towline.rollout.strategies import restore

_LOG_LINES = 200
_SHOWN_LINES = 8


@dataclass(frozen=True)
class Recovery:
    """The way back from one failed operation."""

    site: Site
    plan: Plan
    operation: str
    progress: Progress
    stages: Stages

    def go_back(self, step: str, error: Exception, *, touched: bool) -> NoReturn:
        """Bring the old release back and raise what the person must know.

        Args:
            step: The step that failed.
            error: Why.
            touched: Whether anything in the environment may have changed.

        Raises:
            RolledBack: The old release serves again.
            NeedsPerson: Going back failed too.
            TowlineError: Nothing was touched, or nothing served before.
        """
        reason, remedy, details = self._words(error)
        what = f"{self.plan.kind} {self.plan.release} failed at step {step}: {reason}"
        if not touched:
            self._end({"error": reason})
            raise TowlineError(
                f"{what}; nothing was changed", details=details, remedy=remedy
            ) from error
        try:
            printed = self._keep_logs()
            details = details or printed
            self._restore()
        except Exception as second:
            why = self._words(second)[0]
            self._end({"error": reason, "restore": why})
            raise NeedsPerson(
                f"{what}; going back failed too: {why}",
                details=details,
                remedy=f"look at `inv status --env {self.plan.environment}`, mend the cause, then "
                f"`inv rollback --env {self.plan.environment}`",
            ) from error
        self._mark_bad(error, reason)
        old = self.plan.old
        self._end({"error": reason, "rolled_back": old is not None})
        remedy = remedy or self._next_command()
        if old is None:
            nothing = f"{what}; nothing served before, and nothing does now"
            raise TowlineError(nothing, details=details, remedy=remedy) from error
        serves = f"{what}; {old.id} serves all traffic"
        raise RolledBack(serves, details=details, remedy=remedy) from error

    def _words(self, error: Exception) -> tuple[str, str, list[str]]:
        """Reason, remedy and details of an error, without secrets."""
        redact = self.site.redactor.redact
        if isinstance(error, TowlineError):
            details = [redact(line) for line in error.details]
            return redact(error.message), redact(error.remedy), details
        return redact(f"{type(error).__name__}: {error}"), "", []

    def _restore(self) -> None:
        old = self.plan.old
        title = "bring the old release back" if old else "stop the new release"
        with self.progress.step(title) as note:
            # A journal that cannot be written (a full disk) must not keep users waiting.
            with suppress(OSError):
                self.site.journal.write(self.operation, "intent", "restore")
            if old:
                self.site.engine.settle(old)
            figures = self.stages.reach(restore(old.replicas if old else 0))
            serving = f"{old.id} serves" if old else "the new release is stopped"
            note.text = "; ".join(filter(None, [serving, figures]))
        with suppress(OSError):
            data = {"ok": True, "note": note.text}
            self.site.journal.write(self.operation, "outcome", "restore", data)

    def _end(self, data: dict[str, object]) -> None:
        with suppress(OSError):
            self.site.journal.write(self.operation, "end", data={"ok": False, **data})

    def _mark_bad(self, error: Exception, reason: str) -> None:
        """A release that failed is bad; one that somebody interrupted is only unproven."""
        release = self.site.store.get(self.plan.release)
        again = self.plan.old is not None and self.plan.old.id == self.plan.release
        proven = isinstance(error, Interrupted) or self.plan.kind != "deploy" or again
        if release and not proven:
            with suppress(OSError):
                self.site.store.mark(release, Status.BAD, reason)

    def _keep_logs(self) -> list[str]:
        """Save what the failed containers printed; returns the last lines to show."""
        release = self.site.store.get(self.plan.release)
        redact = self.site.redactor.redact
        shown: list[str] = []
        for item in self.site.engine.observe().of(self.plan.colour):
            if release is None or item.release != release.id:
                continue
            lines = [redact(line) for line in self.site.engine.logs(item, _LOG_LINES)]
            path = release.folder / "logs" / f"{item.name}.log"
            with suppress(OSError):
                self.site.host.files.write(path, ("\n".join(lines) + "\n").encode(), 0o600)
            if lines and item.role == Role.APP:
                shown += [f"last lines of {item.name} (more in {path}):"]
                shown += [f"  {line}" for line in lines[-_SHOWN_LINES:]]
        return shown

    def _next_command(self) -> str:
        environment = self.plan.environment
        if self.plan.kind == "rollback":
            return f"`inv rollback --env {environment} --list-versions` shows what else is kept"
        return f"mend it, `inv promote`, then `inv deploy --env {environment}`"
