"""The summary of a planned promotion: what differs between the two releases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from towline.promotion.dependencies import Upgrade, is_requirements, merged, pins, upgrades
from towline.promotion.generated import LOCK
from towline.promotion.migrations import compare_migrations
from towline.promotion.plan import PromotionPlan
from towline.promotion.summary import Summary


def summarise(plan: PromotionPlan) -> Summary:
    """Compare what is promoted with what lies in the deploy tree now; only reads."""
    last = plan.last
    new_variables = set(plan.manifest.variables)
    old_variables = set(last.variables) if last else set()
    return Summary(
        project=plan.project,
        previous=plan.previous,
        version=plan.version,
        changes=plan.decision.changes,
        files=_files(plan),
        dependencies=_dependencies(plan),
        migrations=compare_migrations(
            plan.manifest.migrations, last.migrations if last else {}
        ).lines(),
        variables=[
            *(f"+ {name}" for name in sorted(new_variables - old_variables)),
            *(f"- {name}" for name in sorted(old_variables - new_variables)),
        ],
        discarded=[mark.partition(" ")[0] for mark in plan.manifest.discarded],
    )


def _files(plan: PromotionPlan) -> list[str]:
    marks: list[tuple[str, str]] = []
    for difference in (plan.promoted, plan.owned):
        marks += [(path, "+") for path in difference.added]
        marks += [(path, "~") for path in difference.changed]
        marks += [(path, "-") for path in difference.removed]
    return [f"{mark} {path}" for path, mark in sorted(marks)]


def _dependencies(plan: PromotionPlan) -> list[Upgrade]:
    """What the lock says, and without one the requirements that are promoted."""
    before = _texts(plan, old=True)
    after = _texts(plan, old=False)
    # The lock names every package, also those that requirements name too.
    if LOCK in after and (LOCK in before or not before):
        return upgrades(pins(before.get(LOCK, "")), pins(after[LOCK]))
    return upgrades(_all(before), _all(after))


def _all(texts: Mapping[str, str]) -> dict[str, str]:
    return merged(text for path, text in sorted(texts.items()) if path != LOCK)


def _texts(plan: PromotionPlan, *, old: bool) -> dict[str, str]:
    if old:
        paths: Iterable[str] = plan.last.files if plan.last else ()
        places = {path: plan.deploy_tree / path for path in paths if is_requirements(path)}
    else:
        places = {path: Path(file) for path, file in plan.sources.items() if is_requirements(path)}
    found = {
        path: file.read_text("utf-8", "replace") for path, file in places.items() if file.is_file()
    }
    if not old and LOCK in plan.generated:
        found[LOCK] = plan.generated[LOCK].decode("utf-8", "replace")
    return found
