"""What users will feel is agreed to, whichever command would make them feel it."""

import sys
from pathlib import Path

import pytest

from towline.engines.acts import Act, Effect
from towline.environments.host_environment import Fleet
from towline.errors import UsageError
from towline.rollout import interrupted, operations
from towline.state.releases import Status
from towline.tasks import cli, ns
from towline.tasks.deploy import _Ending
from towline.tasks.operation import approve, carry_out

sys.path.insert(0, str(Path(__file__).parents[1] / "rollout"))

from fakes import FakeHostEnvironment

FELT = Effect("db", "backing", Act.RECREATE, ("image",))
SAID = "recreates db (backing): image; its connections break"


def environment(site, *, confirm):
    return site.project.environment("local").model_copy(update={"confirm": confirm})


@pytest.fixture
def rollback(tmp_path, monkeypatch):
    """A rollback that recreates a backing service."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    site = FakeHostEnvironment(tmp_path)
    site.keep("1.0.0", status=Status.GOOD)
    site.serve(site.keep("1.0.1"), "green")
    site.environment = environment(site, confirm=True)
    site.engine.effects = (FELT,)
    return operations.rollback(Fleet((site,)), keep_schema=True)


@pytest.mark.parametrize(
    ("given", "add"),
    [
        ({}, "add --allow-restart"),
        ({"question": "Sure?"}, "add --yes --allow-restart"),
        ({"question": "Sure?", "yes": True}, "add --allow-restart"),
        ({"question": "Sure?", "option": "--auto-approve"}, "add --auto-approve --allow-restart"),
    ],
)
def test_without_the_option_or_a_person_nothing_begins(rollback, given, add):
    with pytest.raises(UsageError, match="Nobody can be asked here") as error:
        approve(rollback, allow_restart=False, **given)
    assert error.value.message.startswith(f"It {SAID}")
    assert error.value.remedy == add
    assert "settle 1.0.0" not in rollback.site.engine.calls


def test_a_persons_yes_is_enough(rollback, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    asked = []
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    monkeypatch.setattr(cli.output, "write", lambda text, _: asked.append(text))
    assert approve(rollback, allow_restart=False).operation is rollback
    assert SAID in asked[0]
    assert "Rollback all the same?" in asked[0]
    monkeypatch.setattr("builtins.input", lambda *_: "")
    with pytest.raises(UsageError, match="not confirmed; nothing was changed"):
        approve(rollback, allow_restart=False)


def test_what_was_agreed_to_is_carried_out_and_told(rollback, monkeypatch, capsys):
    monkeypatch.setattr(type(rollback), "transferred", lambda _: {})
    carry_out(approve(rollback, allow_restart=True), json=False)
    assert "settle 1.0.0" in rollback.site.engine.calls
    said = capsys.readouterr()
    assert SAID in said.err
    assert said.out == "1.0.0 is live in prod\n"


@pytest.mark.parametrize("way", ["abort", "resume"])
def test_what_ends_before_a_deploy_leaves_standard_output_to_it(rollback, monkeypatch, capsys, way):
    """With --json, nothing but the JSON of the deploy may stand there."""
    monkeypatch.setattr(type(rollback), "transferred", lambda _: {})
    for name in ("found", "require"):
        monkeypatch.setattr(interrupted, name, lambda _: "what was interrupted")
    monkeypatch.setattr(interrupted, "refuse_to_deploy_after", lambda *_: None)
    monkeypatch.setattr(operations, way, lambda _: rollback)
    end = _Ending(way == "resume", way == "abort", "", allow_restart=True)
    end.reconcile(Fleet((rollback.site,)), dry=False)
    assert "settle 1.0.0" in rollback.site.engine.calls
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith("1.0.0 is live in prod\n")


def test_a_question_leaves_standard_output_to_the_result(rollback, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    approve(rollback, allow_restart=False)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith("Rollback all the same? [y/N] ")


def test_where_nothing_is_felt_or_nobody_wants_to_be_asked_nobody_is(rollback):
    site = rollback.site
    site.environment = environment(site, confirm=False)
    approve(rollback, allow_restart=False)
    site.environment = environment(site, confirm=True)
    site.engine.effects = (Effect("db", "backing", Act.RELOAD, ("x.conf changed",)),)
    quiet = operations.rollback(Fleet((site,)), keep_schema=True)
    approve(quiet, allow_restart=False)
    # A question of its own is asked all the same.
    with pytest.raises(UsageError, match="Sure"):
        approve(quiet, allow_restart=True, question="Sure?")
    approve(quiet, allow_restart=False, question="Sure?", yes=True)


def test_every_task_that_carries_something_out_lets_people_agree():
    names = {
        name for name in ns.task_names if ns[name].body.__globals__.get("carry_out") is carry_out
    } - {"deploy.plan", "deploy.pause"}
    assert names == {
        "deploy.run", "deploy.promote", "deploy.resume", "deploy.abort", "rollback", "migrate",
        "certificate.reload",
    }  # fmt: skip
    for name in names:
        arguments = {item.name for item in ns[name].get_arguments()}
        assert {"allow_restart", "without"} <= arguments, name


def test_nothing_runs_an_operation_but_what_was_agreed_to():
    folder = Path(operations.__file__).parents[3] / "tasks"
    running = [
        file.name for file in folder.glob("*.py") if ".run(terminal.Steps" in file.read_text()
    ]
    assert running == ["operation.py"]
