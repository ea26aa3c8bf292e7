"""A toy step, in one file: databases are saved before a migration."""

from towline.rollout.plan import PlannedStep
from towline.rollout.steps.table import MIGRATE, Scope, Step


def _plan(inputs, candidate):
    if not candidate.schema_jobs:
        return None
    return PlannedStep("backup", f"save the data before {candidate.id}", ("pg_dump > file",))


def _back_up(host, check_cancelled):
    check_cancelled()
    host.engine.observe()
    host.site.engine.calls.append("backup")
    return f"2 MB for {host.plan.release}"


STEP = Step("backup", scope=Scope.ONE_BY_ONE, before=MIGRATE, plan=_plan, act=_back_up)
