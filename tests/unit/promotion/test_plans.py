"""Plans of deploys, promotions and releases are all shown in the same way."""

import json

import pytest
from fakes import FakeHostEnvironment
from project_files import git, write
from shapes import assert_shape
from test_executor import deploy_plan

from towline.config.loading import load
from towline.promotion.plan import plan_promotion
from towline.tasks import operation
from towline.versions.release_commit import plan_release
from towline.versions.version_state import examine


def of_a_deploy(root):
    site = FakeHostEnvironment(root / "state")
    site.serve(site.keep("1.0.0"))
    return deploy_plan(site, site.keep("1.0.1"))


def of_a_promotion(root):
    return plan_promotion(load(root))


def of_a_release(root):
    return plan_release(examine(load(root)), bump="minor", commit=True)


@pytest.fixture(params=[of_a_deploy, of_a_promotion, of_a_release], ids=lambda made: made.__name__)
def plan(request, project):
    write(project.root, {"VERSION": "1.0.0\n"})
    git(project.root, "add", "-A")
    git(project.root, "commit", "-q", "-m", "feat: more")
    return request.param(project.root)


def test_each_is_shown_to_people_and_to_machines(plan, capsys):
    operation.show(plan, json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines == list(plan.lines())
    assert len(lines) > 1
    operation.show(plan, json=True)
    data = json.loads(capsys.readouterr().out)
    assert data["schema"] == f"towline.{plan.schema}/1"
    assert data["nothing_to_do"] is plan.nothing_to_do is False
    assert data["warnings"] == list(plan.warnings)
    assert_shape(data)


def test_what_is_left_out_is_neither_said_nor_planned(project):
    plan = plan_promotion(project)
    bare = plan.with_options(run_tests=False, commit=False)
    assert any(line.startswith("commit: ") for line in plan.lines())
    assert not any(line.startswith(("commit: ", "run ")) for line in bare.lines())
    assert (bare.data()["commit"], bare.data()["test"]) == ("", "")
