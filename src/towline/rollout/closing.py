"""The end of an operation: what is left to do, and whether users get what was promised.

A release that has all traffic and was watched is not rolled back because an old one could not be
stopped. What is left is named, and the next deploy of that release does it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from towline.errors import ManualInterventionRequired, TowlineError
from towline.hosts.waiting import is_connection_error
from towline.rollout.host_rollout import CancellationCheck, HostRollout
from towline.rollout.parallel import HostFailed, on_all
from towline.rollout.unreachable import unreachable, works_without
from towline.state.lock import Fenced


@dataclass
class Closing:
    """What is known at the end of an operation.

    Attributes:
        parts: Its hosts.
        left: Host -> what could not be done there, and why.
        away: Host -> why its users do not get the release.
        lost: Hosts that could not be reached.
    """

    parts: Sequence[HostRollout]
    left: dict[str, str] = field(default_factory=dict)
    away: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)

    def leave(self, name: str, failure: HostFailed) -> None:
        """Leave a step to the next command, on the hosts where it failed."""
        self.lost |= unreachable(failure)
        for part, error in failure.failed or [(failure.part, failure.error)]:
            step = part.step(name)
            reason = part.site.redactor.redact(str(error) or type(error).__name__)
            self.left[part.name] = f"{step.title if step else name} ({reason})"
            if is_connection_error(error):
                self.away[part.name] = f"{part.name} cannot be asked: {reason}"

    def ask(self) -> None:
        """Ask on each host whether users get the release."""

        def ask(part: HostRollout, _: CancellationCheck) -> str:
            try:
                why = part.unserved()
            except Fenced:
                raise
            except Exception as error:
                why = f"{part.name} cannot be asked: {error or type(error).__name__}"
                if is_connection_error(error):
                    self.lost.add(part.name)
            if why:
                self.away[part.name] = part.site.redactor.redact(why)
            return ""

        try:
            on_all(
                [part for part in self.parts if part.name not in self.away],
                ask,
            )
        except HostFailed as failure:
            raise failure.error from None

    def outcome(self) -> dict[str, object]:
        """How it ended, for the journal."""
        left = [f"{host}: {what}" for host, what in self.left.items()]
        outcome: dict[str, object] = {"ok": not self._is_dark(), **({"left": left} if left else {})}
        return {**outcome, "error": self._dark()} if self._is_dark() else outcome

    def refuse(self) -> NoReturn:
        """Say what is not as it should be.

        Raises:
            ManualInterventionRequired: When users of a host do not get what it should serve.
            TowlineError: When something is left to do; the release serves.
        """
        plan = self.parts[0].plan
        serving = plan.old.id if plan.kind == "abort" and plan.old else plan.release
        left = "; ".join(f"{host}: {what}" for host, what in self.left.items())
        command = f"inv deploy --env {plan.environment}"
        if plan.kind == "abort":
            # Without a version it would bring back what was just aborted.
            command += f" --version {serving}"
        again = f"`{command}`"
        if self._is_dark():
            remedy = f"check `inv status --env {plan.environment}`, fix it, then {again}"
            without = works_without(self.parts, self.lost, command)
            raise ManualInterventionRequired(
                f"{serving} is live, but not served everywhere: {self._dark()}",
                details=[f"left to do: {left}"] if left else [],
                remedy="; ".join(filter(None, [remedy, without])),
            )
        raise TowlineError(
            f"{serving} is live; left to do: {left}",
            remedy=f"fix the cause; {again} does the rest",
        )

    def _is_dark(self) -> bool:
        return bool(set(self.away) - set(self.left))

    def _dark(self) -> str:
        return "; ".join(self.away.values())
