"""The step table: one row a step, and no other place that knows its name."""

import ast
from pathlib import Path

import pytest
from fakes import FakeHostEnvironment
from test_executor import deploy_plan, events, run
from test_fleet import sites

from towline.environments.host_environment import Fleet
from towline.errors import CheckFailed, RolledBack, TowlineError
from towline.insight.history import operations
from towline.progress import Silent
from towline.rollout import interrupted
from towline.rollout import steps as package
from towline.rollout.executor import Executor
from towline.rollout.host_rollout import HostRollout
from towline.rollout.steps import table
from towline.rollout.steps.table import Phase, Scope, all_steps, current_name, find_step
from towline.state.releases import Status

__all__ = ["sites"]
ROOT = Path(__file__).resolve().parents[3]
TOYS = Path(__file__).parent / "toys"
# It lists the members of the engine, some of which are called as steps are.
FENCE = ROOT / "src/towline/environments/fence.py"
# Made of the tasks, some of which are called as a step is.
INDEX = ROOT / "tasks/index.py"
# The same word for something else: what engines, Git, Docker and people's Compose files call it.
OTHERS = {
    "engines", "git", "hosts", "images", "lab", "promotion", "provision", "scaffold", "checks",
    "changelog", "config", "versions",
}  # fmt: skip
WORDS = {
    # A kind of operation.
    ("rollout/planner.py", "migrate"), ("tasks/operation.py", "migrate"),
    # Options and words of the command line, and a key of the journal's last entry.
    ("tasks/build.py", "build"), ("tasks/promote.py", "push"),
    ("tasks/words.py", "stop"), ("tasks/words.py", "down"),
    ("rollout/recovery.py", "restore"), ("insight/status.py", "restore"),
    ("rollout/down.py", "down"), ("state/journal.py", "begin"),
}  # fmt: skip


@pytest.fixture
def site(tmp_path):
    made = FakeHostEnvironment(tmp_path)
    made.serve(made.keep("1.0.0"))
    made.keep("1.0.1")
    return made


@pytest.fixture
def toy_step(monkeypatch):
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(TOYS / "steps")])
    monkeypatch.setattr(package.__spec__, "submodule_search_locations", package.__path__)


def test_a_steps_name_stands_in_the_table_and_nowhere_else():
    names = {name for row in all_steps().values() for name in (row.name, *row.old_names)}
    found = []
    for folder in ("src/towline", "tasks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            inside = path.relative_to(ROOT / folder)
            if inside.parts[0] in OTHERS or path in (Path(table.__file__), FENCE, INDEX):
                continue
            where = str(inside if folder != "tasks" else Path("tasks") / inside)
            nodes = ast.walk(ast.parse(path.read_text()))
            texts = [node for node in nodes if isinstance(node, ast.Constant)]
            found += [(where, item.value, item.lineno) for item in texts if item.value in names]
    assert [item for item in found if item[:2] not in WORDS] == []


def test_the_table_says_where_a_step_is_done_and_what_its_failure_means():
    rows = all_steps().values()
    order = [row.phase for row in rows]
    assert order == sorted(order, key=[*Phase].index)
    once = {row.name for row in rows if row.scope is Scope.ONCE}
    assert once == {"build", "push"}
    assert [row.name for row in rows if row.scope is Scope.ONE_BY_ONE] == ["migrate"]
    assert [row.name for row in rows if row.reverts_itself] == ["renew"]
    # A stage of a strategy that has no row is a change like any other.
    assert (find_step("25 %").phase, find_step("25 %").scope) == (Phase.CHANGE, Scope.EACH_HOST)


@pytest.mark.parametrize(("old", "new"), [("settle", "reconcile"), ("keep", "finalize")])
def test_a_journal_of_0_6_is_told_in_todays_words_and_resumed(site, old, new):
    assert current_name(old) == new
    data = {"kind": "deploy", "release": "1.0.1", "live": "1.0.0", "before": "1.0.0"}
    site.journal.write("op", "begin", data=data)
    site.journal.write("op", "intent", old)
    with pytest.raises(CheckFailed, match=f"was interrupted at step {new} "):
        interrupted.refuse(Fleet((site,)))
    assert operations(site, last=1)[0].reason == f"at step {new}"
    run(site, deploy_plan(site, site.store.get("1.0.1")))
    assert site.engine.shares == {"green": 100}


def test_a_step_is_added_by_one_file(site, toy_step):
    assert [*all_steps()].index("backup") == [*all_steps()].index("migrate") - 1
    release = site.store.get("1.0.1")
    plan = deploy_plan(site, release, schema_jobs=("migrate",))
    names = [step.name for step in plan.steps]
    assert names == ["reconcile", "backup", "migrate", "start", "switch", "finish", "finalize"]
    assert "       $ pg_dump > file" in list(plan.lines())
    run(site, plan)
    calls = site.engine.calls
    assert calls.index("backup") < calls.index("job migrate")
    done = [e["data"].get("note") for e in site.journal.entries() if e["step"] == "backup"][1:]
    assert done == ["2 MB for 1.0.1"]


def test_an_added_step_is_left_out_where_it_has_nothing_to_do(site, toy_step):
    plan = deploy_plan(site, site.store.get("1.0.1"))
    assert "backup" not in [step.name for step in plan.steps]


def test_an_added_step_that_fails_takes_its_phases_way_back(sites, toy_step, monkeypatch):
    plans = [
        HostRollout(one, deploy_plan(one, one.store.get("1.0.1"), schema_jobs=("migrate",)))
        for one in sites
    ]
    done = []

    class Calls(list):
        def append(self, item):
            if item == "backup":
                done.append(1)
                if len(done) == 2:
                    raise TowlineError("no room for a backup")
            super().append(item)

    for one in sites:
        one.engine.calls = Calls()
    with pytest.raises(RolledBack, match="failed at step backup on web2: no room for a backup"):
        Executor(plans, Silent()).run()
    # One host after another: the third was not begun.
    assert len(done) == 2
    assert [one.engine.shares for one in sites] == [{"blue": 100}] * 3
    assert "job migrate" not in sites[0].engine.calls
    assert ("intent", "backup") in events(sites[0])
    assert sites[0].store.get("1.0.1").status is Status.BAD
