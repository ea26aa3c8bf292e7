"""The smoke gate: the configured requests are answered by a slot that has no traffic yet."""

from dataclasses import dataclass

from towline.config import deploy_sections
from towline.config.services import Role
from towline.health.smoke import Place, run_smoke
from towline.health.target import in_url
from towline.rollout.gates.base import Gate, GateContext, GateOutcome, Verdict


@dataclass(frozen=True)
class Smoke(Gate):
    """Passes when every smoke test does.

    Attributes:
        tests: What is asked.
    """

    name = "smoke"

    tests: deploy_sections.Smoke

    def check(self, context: GateContext) -> Verdict:
        """See `Gate.check`."""
        if not (self.tests.requests or self.tests.websockets or self.tests.command):
            return Verdict(GateOutcome.PASS, "no smoke tests configured")
        places = _places(context)
        if not places:
            return Verdict(GateOutcome.FAIL, "no app service has a port to test")
        first = next(iter(places.values()))
        results = run_smoke(
            first.url,
            self.tests,
            folder=context.folder,
            port=first.port,
            direct=first.direct,
            services=places,
        )
        failed = [result for result in results if not result.answer.healthy]
        figures = {"tests": len(results), "failed": len(failed)}
        if not failed:
            said = f"{len(results)} of {len(results)} passed"
            return Verdict(GateOutcome.PASS, said, figures)
        said = "; ".join(f"{item.name}: {item.answer.detail}" for item in failed)
        count = f"{len(failed)} of {len(results)} failed after {failed[0].attempts} attempts"
        return Verdict(
            GateOutcome.FAIL,
            f"{count}; {said}",
            figures,
            details=tuple(failed[0].output),
            remedy=failed[0].answer.hint,
        )


def _places(context: GateContext) -> dict[str, Place]:
    """App service -> where one of its containers is reached; those without a port are not."""
    found: dict[str, Place] = {}
    containers = context.engine.observe().of(context.slot)
    for name in context.release.named(Role.APP):
        port = context.release.settings(name).port
        for item in containers:
            if item.service == name and port and name not in found:
                address = context.engine.address(item, port)
                if address:
                    found[name] = Place(f"http://{in_url(address)}", port, direct=True)
    return found
