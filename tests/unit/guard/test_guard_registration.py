"""Who watches: seen by everybody, and blocking nobody once it is gone."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from towline.errors import (
    CheckFailed,
    ManualInterventionRequired,
    RolledBack,
    TowlineError,
    UsageError,
)
from towline.guard import process, registration
from towline.guard.record import Action, GuardRecord, read_record
from towline.guard.registration import read_living, register, this_guard, unregister
from towline.guard.unit import render_unit
from towline.guard.watched import Watched, require_well
from towline.insight.guarding import guard_status
from towline.insight.history import operations
from towline.process_identity import started


def write(site, found, **changes):
    data = {**asdict(found), "actor": found.actor.data(), **changes}
    site.files.write(site.state.guard, json.dumps(data).encode())


def test_one_is_registered_and_a_second_finds_it(town):
    site, own, other = town.site, this_guard(), this_guard()
    assert register(site, own) is None
    assert register(site, own) is None
    assert register(site, other) == own
    unregister(site, other)
    assert read_living(site) == own
    assert own.actor.name == "guard"
    unregister(site, own)
    assert read_living(site) is None


def test_a_process_that_ended_watches_no_more_and_its_number_is_no_proof(town):
    own = this_guard()
    write(town.site, own, started="12")
    assert read_living(town.site) is None
    with pytest.raises(CheckFailed, match="no guard watches prod"):
        process.require_living(town.site)
    assert register(town.site, own) is None


def test_one_of_another_machine_is_believed_while_it_renews_its_file(town):
    write(town.site, this_guard(), where="another boot")
    assert read_living(town.site) is not None
    with pytest.raises(UsageError, match="runs on"):
        process.stop(town.site, limit=1, say=print)
    old = time.time() - registration.BEAT * 3 - 1
    os.utime(town.site.state.guard, (old, old))
    assert read_living(town.site) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"token": 1, "pid": "x"}'])
def test_a_torn_file_is_nobody(town, content):
    town.site.files.write(town.site.state.guard, content)
    assert read_living(town.site) is None


def test_stopping_ends_that_process_and_no_other(town):
    argv = [sys.executable, "-c", "import signal; signal.pause()"]
    with subprocess.Popen(argv) as child:
        own = replace(this_guard(), pid=child.pid, started=started(child.pid))
        write(town.site, own)
        # A zombie still has a number, and a start.
        with pytest.raises(TowlineError, match="has not ended after 0 s"):
            process.stop(town.site, limit=0.1, say=print)
        assert child.wait(5) == -signal.SIGTERM
    with pytest.raises(CheckFailed):
        process.stop(town.site, limit=0.1, say=print)
    write(town.site, this_guard())
    with pytest.raises(UsageError, match="a guard watches prod already"):
        process.refuse_second(town.site)


def test_status_tells_what_fired_about_what_is_live(town):
    assert guard_status(town.fleet().lead, None).data() == {
        "watching": None, "fired": None, "decision": None,
    }  # fmt: skip
    town.unwell.add(("1.1.0", "api"))
    town.guard(limit=600)
    site = town.fleet().lead
    said = guard_status(site, site.store.get("1.0.0")).data()["fired"]
    assert said.startswith("health: 4 rounds in a row failed;")
    assert said.endswith("→ rolled back to 1.0.0")
    site.keep("1.2.0")
    assert guard_status(site, site.store.get("1.2.0")).decision is None


def test_exit_codes():
    def record(action):
        return GuardRecord("health", "1.1.0", action, "4 rounds", "why", "1.0.0")

    require_well(Watched("1.1.0", 3), "prod")
    ends = {
        Action.FAILED: ManualInterventionRequired,
        Action.ROLLBACK: RolledBack,
        Action.NOTIFY: CheckFailed,
        Action.HOLD: CheckFailed,
    }
    for action, error in ends.items():
        with pytest.raises(error, match="prod"):
            require_well(Watched("1.1.0", 3, records=[record(action)]), "prod")
    with pytest.raises(TowlineError, match="could not be watched: nothing is live") as blind:
        require_well(Watched("", 3), "prod")
    assert blind.value.exit_code == 1


def test_the_unit_names_all_that_a_service_needs(tmp_path):
    text = render_unit("shop", "prod", tmp_path, "/srv/state")
    assert f"WorkingDirectory={tmp_path}\n" in text
    assert "Environment=TOWLINE_STATE=/srv/state\n" in text
    start = f"ExecStart={sys.executable} -m towline.tasks.program guard.run --env prod\n"
    assert start in text
    if shutil.which("systemd-analyze"):
        file = tmp_path / "towline-guard.service"
        file.write_text(text.replace(f"{tmp_path}", "/tmp"))
        argv = ["systemd-analyze", "verify", str(file)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert "towline-guard" not in done.stderr
    with pytest.raises(UsageError, match="cannot be written into a unit"):
        render_unit("shop", "prod", tmp_path / "my project")


def test_after_a_deploy_a_guard_is_started_only_where_that_is_wanted(town, monkeypatch):
    site, said = town.fleet().lead, []
    monkeypatch.setattr(process, "start", lambda *_: pytest.fail("nobody wants one"))
    process.start_after_deploy(site, said.append)
    guard = site.environment.guard.model_copy(update={"after_deploy": True})
    site.environment = site.environment.model_copy(update={"guard": guard})
    write(site, this_guard())
    process.start_after_deploy(site, said.append)
    assert said == []
    site.remote = True
    process.start_after_deploy(site, said.append)
    assert said == [
        "guard.after_deploy: prod runs on other machines; start its guard on one of them"
    ]


def test_a_guard_that_cannot_be_started_does_not_fail_a_deploy(town, monkeypatch):
    def fails(*_):
        raise TowlineError("it ended at once")

    monkeypatch.setattr(process, "start", fails)
    site, said = town.fleet().lead, []
    guard = site.environment.guard.model_copy(update={"after_deploy": True})
    site.environment = site.environment.model_copy(update={"guard": guard})
    process.start_after_deploy(site, said.append)
    (line,) = said
    assert line.startswith("no guard watches prod: it ended at once; `inv guard.start --env prod`")


def test_history_tells_decisions_in_words(town):
    town.settings = {"on_trigger": "notify"}
    town.unwell.add(("1.1.0", "api"))
    town.guard()
    said = operations(town.fleet().lead, last=1)[0]
    assert (said.result, said.kind, said.release) == ("note", "guard", "1.1.0")
    assert said.reason.startswith("health: 4 rounds in a row failed; last: api: GET /: 500")
    assert said.reason.endswith("→ notify only")
    assert said.actor.name == "guard"


@pytest.mark.parametrize(
    "data", [{}, {"decision": "dance"}, {"decision": "hold", "figures": 3}, None, {"decision": []}]
)
def test_a_note_of_another_version_is_read_as_far_as_it_goes(data):
    record = read_record({"event": "note", "step": "guard", "data": data, "at": "x"})
    assert record is None or record.action is Action.HOLD
