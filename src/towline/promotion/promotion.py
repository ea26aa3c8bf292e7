"""Promotion: the source tree becomes the deploy tree, whole or not at all."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from towline.collector import collector_off
from towline.errors import CheckFailed, TowlineError, UsageError
from towline.git import sealing
from towline.git.private import exclusive, refuse_locked
from towline.git.repository import Repository, open_repository
from towline.promotion import manifest as manifests
from towline.promotion import swap as swaps
from towline.promotion.manifest import Manifest
from towline.promotion.plan import Difference, PromotionPlan, plan_promotion
from towline.promotion.staging import stage, stale
from towline.promotion.tree import MANIFEST_FILE, FileRecord, scan, within
from towline.versions.version_files import Stamp

if TYPE_CHECKING:
    from towline.config.loading import Project

__all__ = ["Difference", "Promoted", "PromotionPlan", "plan_promotion", "promote", "recover"]

_TAIL = 40


@dataclass(frozen=True)
class Promoted:
    """What a promotion did.

    Attributes:
        version: Version that the deploy tree has now.
        previous: Version it had before; empty at the first promotion.
        difference: What changed in the promoted paths.
        commit: The promotion's commit; empty when none was made.
        manifest: What the deploy tree says of itself.
    """

    version: str
    previous: str
    difference: Difference
    commit: str
    manifest: Manifest


def recover(project: Project) -> bool:
    """Settle what a killed promotion left behind; call it before `plan_promotion`.

    Returns:
        Whether there was anything: the deploy tree is whole now, old or new.

    Raises:
        UsageError: When what lies there was not left by a promotion.
        Locked: When another promotion is running.
        ManualInterventionRequired: When the old tree cannot be restored.
    """
    tree = project.deploy_tree
    if not swaps.leftovers(tree):
        return False
    with swaps.locked(tree):
        repository = open_repository(project.root)
        root = repository.root if repository else project.root
        return swaps.recover(tree, repository, root)


@collector_off()
def promote(
    project: Project, plan: PromotionPlan, *, run_tests: bool = True, commit: bool | None = None
) -> Promoted:
    """Carry out a plan.

    Args:
        project: The project that the plan was made for.
        plan: What to do; see `plan_promotion`.
        run_tests: Run `promote.test` first.
        commit: Commit the result; None for what `promote.commit` says.

    Raises:
        CheckFailed: When the tests fail, or a tree changed since the plan was made.
        UsageError: When the test command cannot be run.
        Locked: When another promotion is running.
        TowlineError: When a file cannot be written or Git refuses; the old tree is back.
        ManualInterventionRequired: When the old tree could not be put back.
    """
    if plan.nothing_to_do:
        plan.known.save()
        return Promoted(plan.version, plan.previous, Difference(), "", plan.manifest)
    wants_commit = plan.commit if commit is None else commit
    paths = plan.commit_paths if wants_commit else ()
    repository = open_repository(project.root)
    if paths and repository is not None:
        refuse_locked(repository)
    if run_tests and plan.test:
        _run_tests(plan)
    tree = plan.deploy_tree
    tree.mkdir(parents=True, exist_ok=True)
    with swaps.locked(tree):
        done = _promote(plan, repository, paths)
    plan.known.save()
    return done


def _promote(
    plan: PromotionPlan, repository: Repository | None, paths: tuple[Path, ...]
) -> Promoted:
    tree = plan.deploy_tree
    current = scan(tree, plan.known)
    _refuse_stale(plan, current)
    manifest = _manifest_now(plan, current)
    try:
        staging = swaps.new_staging(tree)
    except OSError as error:
        raise TowlineError(f"{tree} cannot be written: {error.strerror}") from None
    try:
        targets = [target for target in plan.copies if plan.promoted.below(target)]
        copied = stage(plan, tuple(targets), current, staging / "new")
        sealed = manifests.write(staging / "new", manifest).stat()
    except OSError as error:
        swaps.discard(staging)
        raise _unwritten(plan, error) from None
    except BaseException:
        swaps.discard(staging)
        raise

    targets.append(MANIFEST_FILE)
    swap = swaps.Swap(
        tree=tree,
        staging=staging,
        targets=tuple(targets),
        present=tuple(target for target in targets if os.path.lexists(tree / target)),
        stamps=tuple(item for item in plan.stamps if item.before != item.after),
        commit_paths=paths,
    )
    commit = ""
    try:
        swap.do()
        if paths and repository is not None:
            with exclusive(repository) as private:
                commit = sealing.commit(repository, plan.message, paths, private=private)
    except OSError as error:
        swap.reconcile(repository)
        raise _unwritten(plan, error) from None
    except BaseException:
        swap.reconcile(repository)
        raise
    swaps.discard(staging)
    for path, state, digest in copied:
        # Whoever wrote to it since it is in its place did so after the manifest was written, and
        # so left a later time, unless the file system's clock stood still.
        if state.st_ctime_ns < sealed.st_ctime_ns:
            plan.known.learn_own(os.fspath(tree / path), state, digest)
    return Promoted(plan.version, plan.previous, plan.promoted, commit, manifest)


def _run_tests(plan: PromotionPlan) -> None:
    """Run the test command in the source tree.

    Raises:
        CheckFailed: When it fails; the end of what it said is in the details.
        UsageError: When it cannot be run.
    """
    # `python` is the one that runs Towline: in a virtual environment there may be no other.
    command = [sys.executable if plan.test[0] == "python" else plan.test[0], *plan.test[1:]]
    shown = shlex.join(plan.test)
    try:
        done = subprocess.run(
            command,
            cwd=plan.source_tree,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise UsageError(
            f"promote.test: `{shown}` cannot be run in {plan.source_tree}: {error.strerror}",
            remedy="install it, or fix promote.test in towline.yaml",
        ) from None
    if done.returncode != 0:
        raise CheckFailed(
            f"the tests failed: `{shown}` in {plan.source_tree} ended with {done.returncode}; "
            "nothing was changed",
            remedy="fix what they say, and run `inv promote` again",
            details=done.stdout.splitlines()[-_TAIL:],
        )


def _refuse_stale(plan: PromotionPlan, current: Mapping[str, FileRecord]) -> None:
    """The tests take their time: meanwhile nobody may have changed what the plan was made from."""
    unchanged = (
        manifests.read_if_any(plan.deploy_tree) == plan.last
        and not swaps.leftovers(plan.deploy_tree)
        and all(_holds(item) for item in plan.stamps)
        and _promoted_now(plan, current) == plan.promoted
    )
    if not unchanged:
        raise stale(f"{plan.deploy_tree} or a version file")


def _promoted_now(plan: PromotionPlan, current: Mapping[str, FileRecord]) -> Difference:
    """What promotion would change in the tree as it is now."""
    folders = tuple(plan.copies)
    return Difference.between(
        {path: item for path, item in current.items() if within(path, folders)},
        {path: item for path, item in plan.manifest.files.items() if within(path, folders)},
    )


def _manifest_now(plan: PromotionPlan, current: Mapping[str, FileRecord]) -> Manifest:
    """The manifest with people's own files as they are now."""
    folders = tuple(plan.copies)
    files = {
        **{path: item for path, item in current.items() if not within(path, folders)},
        **{path: item for path, item in plan.manifest.files.items() if within(path, folders)},
    }
    return plan.manifest.with_files(files)


def _holds(stamp: Stamp) -> bool:
    with suppress(OSError):
        return stamp.path.read_bytes() == stamp.before
    return False


def _unwritten(plan: PromotionPlan, error: OSError) -> TowlineError:
    return TowlineError(
        f"{error.filename or plan.deploy_tree} cannot be written: {error.strerror or error}; "
        f"{plan.deploy_tree.name}/ is as it was",
        remedy="fix that, and run `inv promote` again",
    )
