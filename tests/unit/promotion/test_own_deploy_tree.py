"""The committed `deploy/` is what promotion produces for the sample, file by file."""

from pathlib import Path

from towline.config.loading import load
from towline.promotion import manifest as manifests
from towline.promotion.plan import plan_promotion

ROOT = Path(__file__).resolve().parents[3]


def test_the_committed_deploy_tree_is_the_samples_promotion():
    project = load(ROOT)
    plan = plan_promotion(project, allow_dirty=True)
    assert not plan.promoted, f"run `inv promote`: {plan.promoted}"
    assert not plan.owned, f"run `inv promote`: {plan.owned}"
    assert plan.nothing_to_do


def test_its_manifest_holds():
    project = load(ROOT)
    tree = project.deploy_tree
    assert manifests.verify(tree, manifests.read(tree)) == []
