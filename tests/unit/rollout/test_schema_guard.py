import json

import pytest
from fakes import SERVICES, FakeHostEnvironment, release
from invoke import Context, Exit
from test_executor import deploy_plan

from towline.environments.host_environment import Fleet
from towline.errors import TowlineError, UsageError
from towline.rollout import operations
from towline.rollout.schema_guard import judge_rollback
from towline.state.releases import Status
from towline.tasks import cli
from towline.tasks import rollback as rollback_task

ONE = {"src/shop/migrations/0001_initial.py": "a" * 64}
TWO = {**ONE, "src/news/migrations/0001_initial.py": "b" * 64}
NO_JOB = {name: body for name, body in SERVICES.items() if name != "migrate"}
SEED = {**SERVICES, "migrate": {"role": "job", "changes_schema": False}}


def keep(site, version, **changes):
    """A retained release with the files that a rollback reads of it."""
    return site.keep(version, **changes)


def serving(tmp_path, before, after):
    """1.0.0 is retained, 1.1.0 is live."""
    site = FakeHostEnvironment(tmp_path)
    site.store.mark(keep(site, "1.0.0", created="1", **before), Status.GOOD)
    site.serve(keep(site, "1.1.0", created="2", **after))
    return site


def go_back(site, **options):
    return operations.rollback(Fleet((site,)), **options)


def test_a_second_apps_first_migration_stops_a_rollback(tmp_path):
    site = serving(tmp_path, {"migrations": ONE}, {"migrations": TWO})
    with pytest.raises(UsageError, match="news/migrations/0001_initial") as error:
        go_back(site)
    assert "--keep-schema" in error.value.remedy
    operation = go_back(site, keep_schema=True)
    assert operation.schema_question == ""
    assert any("the schema changed since 1.0.0" in text for text in operation.plan.warnings)


def test_a_changed_migration_stops_a_rollback_too(tmp_path):
    (path,) = ONE
    site = serving(tmp_path, {"migrations": ONE}, {"migrations": {path: "c" * 64}})
    with pytest.raises(UsageError, match=r"0001_initial.py \(other content\)"):
        go_back(site)


def test_the_same_schema_is_not_asked_about(tmp_path):
    operation = go_back(serving(tmp_path, {"migrations": TWO}, {"migrations": TWO}))
    assert operation.schema_question == ""
    assert operation.plan.warnings == ()


def test_without_a_record_a_rollback_asks_and_the_plan_says_so(tmp_path):
    operation = go_back(serving(tmp_path, {}, {}))
    assert "nothing tells whether the schema changed since 1.0.0" in operation.schema_question
    assert any("this rollback is not guarded" in text for text in operation.plan.warnings)
    assert go_back(operation.site, keep_schema=True).schema_question == ""
    assert go_back(operation.site, force=True).schema_question == ""


@pytest.mark.parametrize("services", [NO_JOB, SEED])
def test_without_a_job_that_changes_the_schema_nothing_is_asked(tmp_path, services):
    operation = go_back(serving(tmp_path, {"services": services}, {"services": services}))
    assert operation.schema_question == ""
    assert operation.plan.warnings == ()


def test_a_release_that_failed_may_have_changed_the_schema(tmp_path):
    site = serving(tmp_path, {"migrations": ONE}, {"migrations": ONE})
    failed = keep(site, "1.2.0", created="3", migrations=TWO)
    site.store.mark(failed, Status.BAD, "gate smoke failed")
    with pytest.raises(UsageError, match="news/migrations/0001_initial"):
        go_back(site)


def test_a_record_that_begins_today_says_nothing_of_before(tmp_path):
    site = serving(tmp_path, {}, {"migrations": TWO})
    assert "nothing tells" in go_back(site).schema_question


def test_forward_again_is_guarded_by_what_came_later_only(tmp_path):
    live, later = release("1.0.0", tmp_path, created="1"), release("1.1.0", tmp_path, created="2")
    squashed = judge_rollback(None, later, [release("0.9.0", tmp_path, created="0"), later])
    assert not squashed.difference
    assert squashed.question == ""
    assert judge_rollback(live, later, [live, later]).unrecorded == ("1.0.0",)


def test_names_of_an_older_record_are_compared_and_that_is_said(tmp_path):
    site = serving(tmp_path, {"migrations": {"0001_initial.py": ""}}, {"migrations": TWO})
    operation = go_back(site)
    assert operation.schema_question == ""
    assert any("by file name only" in text for text in operation.plan.warnings)


def test_records_of_an_older_towline_are_read(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    retained = site.keep("1.0.0", migrations=ONE)
    file = retained.folder / "release.json"
    data = json.loads(file.read_text())
    site.store._read.clear()
    file.write_text(json.dumps({**data, "migrations": ["0001_initial.py"]}))
    assert site.store.get("1.0.0").migrations == {"0001_initial.py": ""}
    site.store._read.clear()
    file.write_text(json.dumps({**data, "migrations": "0001"}))
    with pytest.raises(TowlineError, match=r"release\.json cannot be read.*migrations"):
        site.store.get("1.0.0")


def test_the_plan_of_a_deploy_says_that_rollbacks_are_not_guarded(tmp_path):
    site = FakeHostEnvironment(tmp_path)
    site.serve(site.keep("1.0.0"))
    plan = deploy_plan(site, site.keep("1.0.1"), schema_jobs=("migrate",))
    assert any("rollbacks are not guarded: migrate" in text for text in plan.warnings)
    told = deploy_plan(site, site.store.get("1.0.1"), schema_jobs=("migrate",), migrations=ONE)
    assert told.warnings == ()


def test_the_plan_of_a_deploy_names_migrations_changed_after_they_were_applied(tmp_path):
    (path,) = ONE
    site = FakeHostEnvironment(tmp_path)
    site.serve(site.keep("1.0.0", migrations=TWO))
    plan = deploy_plan(site, site.keep("1.0.1"), migrations={path: "c" * 64})
    (changed, unknown) = plan.warnings
    assert changed.startswith("migrations were changed after they were applied")
    assert path in changed
    assert "1.0.1 does not know: src/news/migrations/0001_initial.py" in unknown
    found = {(item.kind, item.name): item.after for item in plan.changes}
    assert found["migration", path] == "changed"


def test_in_a_non_interactive_shell_keep_schema_is_needed(tmp_path, monkeypatch, capsys):
    site = serving(tmp_path, {}, {})
    monkeypatch.setattr(cli, "open_fleet", lambda env, **_: Fleet((site,)))
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: PTH123, SIM115
    with pytest.raises(Exit) as end:
        rollback_task.rollback(Context(), auto_approve=True)
    assert end.value.code == 2
    assert "--keep-schema" in capsys.readouterr().err
    assert "begin" not in [entry["event"] for entry in site.journal.entries()]
    rollback_task.rollback(Context(), dry_run=True)
    assert "this rollback is not guarded" in capsys.readouterr().out


@pytest.mark.parametrize("version", ["1.1.0", "v1.1.0"])
def test_what_is_live_is_no_unknown_release(tmp_path, version):
    site = serving(tmp_path, {"migrations": ONE}, {"migrations": ONE})
    with pytest.raises(UsageError, match=r"^1\.1\.0 is live already$"):
        go_back(site, version=version)
