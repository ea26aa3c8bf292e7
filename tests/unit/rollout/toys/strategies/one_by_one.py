"""A toy strategy, in one file: one container after another, traffic follows."""

from toy_gate import FewLines

from towline.rollout.gates.health import Health
from towline.rollout.stages import Stage, Strategy, Workers


def _stages(replicas, settings):
    health, quiet = Health(settings.rollout.health_timeout), FewLines("PANIC")
    total = max(replicas.new.values(), default=1)
    found = []
    for k in range(1, total + 1):
        new = {name: -(-count * k // total) for name, count in replicas.new.items()}
        old = {name: count * (total - k) // total for name, count in replicas.old.items()}
        is_last = k == total or not any(old.values())
        found.append(
            Stage(
                f"{k} of {total}", f"run {k} of {total} new", new, old,
                100 if is_last else 100 * k // total,
                Workers.NEW if is_last else Workers.OLD, gates=(health, quiet),
            )
        )  # fmt: skip
    return found


def _capacity(replicas, settings):
    return {name: min(count, replicas.old.get(name, 0)) for name, count in replicas.new.items()}


STRATEGY = Strategy(_stages, _capacity)
