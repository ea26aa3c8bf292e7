"""The smoke tests once more, after the switch: as users reach the service, through the router."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from towline.config.deploy_sections import Smoke
from towline.config.services import Role
from towline.health.probes import Outcome
from towline.health.smoke import SmokeResult, run_smoke
from towline.rollout.gates.base import Gate, GateContext, GateOutcome, Verdict
from towline.routing.nginx import ASK_PORT


@dataclass(frozen=True)
class SmokeAfter(Gate):
    """Passes when every smoke test does where users reach the service.

    A test that is answered, and not as expected, fails it. An address that cannot be reached from
    here at all fails it only where the tests are required (`smoke.after: true`): a name that only
    users can resolve says nothing of a release.

    Attributes:
        tests: What is asked.
        url: Where users reach the service; without one the router's published port is asked.
        insecure: Accept a certificate that cannot be verified.
    """

    name = "smoke after"
    under_traffic = True

    tests: Smoke
    url: str
    insecure: bool = False

    def check(self, context: GateContext) -> Verdict:
        """See `Gate.check`."""
        context.check_cancelled()
        url = self.url or _router_url(context)
        if not url:
            return Verdict(
                GateOutcome.ERROR,
                "`smoke.after` is true, and there is neither a url nor a published port",
                remedy="set the environment's `url` in towline.yaml",
            )
        results = run_smoke(url, self.tests, folder=context.folder, insecure=self.insecure)
        failed = [item for item in results if not item.answer.healthy]
        figures = {"tests": len(results), "failed": len(failed)}
        where = urlsplit(url).netloc
        if not failed:
            said = f"{len(results)} of {len(results)} passed at {where}"
            return Verdict(GateOutcome.PASS, said, figures)
        said = "; ".join(f"{item.name}: {item.answer.detail}" for item in failed)
        if not self.tests.after and _is_out_of_reach(results):
            text = f"{where} cannot be reached from here, so nothing was tested there"
            context.say(f"{text}: {said}")
            return Verdict(GateOutcome.PASS, text, figures)
        attempts = failed[0].attempts
        return Verdict(
            GateOutcome.FAIL,
            f"{len(failed)} of {len(results)} failed at {where} after {attempts} attempts; {said}",
            figures,
            details=tuple(failed[0].output),
            remedy=failed[0].answer.hint,
        )


def choose_tests(tests: Smoke, url: str) -> Smoke | None:
    """What is run after the switch; None for nothing.

    Unless they are required, the test command is left out: it ran before the switch, and may take
    minutes.

    Args:
        tests: The configured tests.
        url: The environment's.
    """
    if tests.after is False or not (url or tests.after):
        return None
    chosen = tests if tests.after else tests.model_copy(update={"command": []})
    return chosen if chosen.requests or chosen.websockets or chosen.command else None


def _is_out_of_reach(results: list[SmokeResult]) -> bool:
    return all(item.answer.outcome is Outcome.ERROR for item in results)


def _router_url(context: GateContext) -> str:
    for item in context.engine.observe().role(Role.ROUTER):
        for port in sorted(set(item.ports) - {ASK_PORT}):
            if address := context.engine.address(item, port):
                return f"http://{address[0]}:{address[1]}"
    return ""
