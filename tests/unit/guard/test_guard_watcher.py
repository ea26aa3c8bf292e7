"""The guard on an engine in memory: it rolls back once, and only where that is right."""

import pytest

from towline.config.guard_section import Guard
from towline.environments.host_environment import Away, Fleet
from towline.environments.notes import note
from towline.errors import (
    CheckFailed,
    ConnectionLost,
    HostLost,
    NoEngine,
    RolledBack,
    TowlineError,
)
from towline.guard import acting
from towline.guard.acting import Acting, Overtaken
from towline.guard.record import Action, GuardRecord
from towline.guard.watched import require_well
from towline.progress import Silent
from towline.rollout.events import find_listeners
from towline.rollout.host_rollout import PlanOutdated
from towline.state import hold
from towline.state.lock_file import this_process

WATCHING = "watching 1.1.0; it would roll back to 1.0.0"
BAD = ("1.1.0", "api")
RECORD = GuardRecord("health", "1.1.0", Action.ROLLBACK, "4 rounds", target="1.0.0")


def held(town):
    return hold.read(town.site.host.files, town.site.state)


def test_a_release_that_stays_well_is_left_alone(town):
    watched = town.guard()
    assert (watched.release, watched.rounds, watched.records) == ("1.1.0", 21, [])
    assert town.said == [WATCHING]
    assert town.notes == []


def test_a_release_that_fails_is_rolled_back_and_held(town):
    town.unwell.add(BAD)
    watched = town.guard(limit=600)
    assert town.live == "1.0.0"
    # Seen at 0, 5, 10 and 15 s: more than three rounds in a row.
    assert town.at == 15
    assert watched.has(Action.ROLLBACK)
    text = "4 rounds in a row failed; last: api: GET /: 500"
    assert held(town).reason == f"rolled back from 1.1.0: guard: health: {text}"
    (said,) = town.notes
    assert (said["trigger"], said["release"], said["decision"], said["to"]) == (
        "health", "1.1.0", "rollback", "1.0.0",
    )  # fmt: skip
    assert said["figures"]["failed_rounds"] == 4
    assert said["actor"]["name"] == "guard"
    journal = town.fleet().lead.journal
    assert journal.verify() == []
    begin = next(e["data"] for e in reversed(journal.entries()) if e["event"] == "begin")
    assert (begin["kind"], begin["actor"]["name"]) == ("rollback", "guard")
    assert begin["reason"] == f"guard: health: {text}"
    assert town.site.store.get("1.1.0") is not None
    assert not town.site.state.lock.exists()
    assert town.said == [
        WATCHING,
        "health failing: 1 round failed; last: api: GET /: 500",
        f"health fired: {text}",
        f"health: {text} → roll back to 1.0.0",
        "rolled back from 1.1.0 to 1.0.0",
    ]
    assert [(item.trigger, item.decision) for item in town.told] == [("health", "rollback")]


def test_a_few_failed_rounds_are_forgiven(town):
    town.unwell.add(BAD)
    town.guard(during=lambda number: town.unwell.clear() if number == 2 else None)
    assert town.live == "1.1.0"
    assert town.said[-1] == "health well again"
    assert town.notes == []


def test_it_watches_on_and_does_not_roll_back_twice_in_its_window(town):
    town.deploy("1.2.0", "1.1.0")
    town.unwell |= {("1.2.0", "api")}

    def fail_too(number):
        if town.live == "1.1.0":
            town.unwell.add(BAD)

    watched = town.guard(rounds=30, during=fail_too)
    assert town.live == "1.1.0"
    assert [item.action for item in watched.records] == [Action.ROLLBACK, Action.HOLD]
    assert "guard.max_rollbacks" in watched.records[-1].why


def test_not_from_a_release_that_it_rolled_back_before(town):
    town.settings = {"max_rollbacks": 9}
    town.unwell.add(BAD)
    town.guard(limit=60)
    assert town.live == "1.0.0"
    # Somebody deploys it again, on purpose.
    site = town.fleet().lead
    site.serve(site.store.get("1.1.0"), "green")
    town.site.engine.containers["blue", "api"] = ("1.0.0", False)
    site.journal.write("again", "begin", data={"kind": "deploy", "release": "1.1.0"})
    with site.journal.step("again", "switch"):
        pass
    site.journal.write("again", "end", data={"ok": True})
    watched = town.guard()
    assert town.live == "1.1.0"
    assert [item.action for item in watched.records] == [Action.NOTIFY]
    assert "was rolled back by the guard before" in watched.records[0].why


def test_a_broken_database_is_not_the_fault_of_a_release(town):
    town.unwell |= {"db", "api"}
    watched = town.guard()
    assert town.live == "1.1.0"
    assert {item.trigger for item in watched.records} == {"health", "database"}
    assert {item.action for item in watched.records} == {Action.NOTIFY}
    assert "a backing service fails (db: GET /: 500)" in watched.records[0].why
    assert held(town) is None


def test_a_database_that_just_came_back_counts_all_the_same_but_not_for_ever(town):
    town.unwell |= {"db", BAD}
    watched = town.guard(rounds=10, during=lambda number: town.unwell.discard("db"))
    assert [item.action for item in watched.records] == [Action.NOTIFY]
    watched = town.guard(limit=600)
    assert town.live == "1.0.0"


def test_once_the_database_is_well_for_a_minute_it_is_the_release(town):
    town.unwell |= {"db", BAD}
    watched = town.guard(limit=600, during=lambda number: town.unwell.discard("db"))
    assert [item.action for item in watched.records] == [Action.NOTIFY, Action.ROLLBACK]
    assert 60 < town.at < 80


def test_a_changed_schema_is_held_and_a_person_is_called(town):
    town.deploy("1.2.0", "1.1.0", migrations={"migrations/1.sql": "a", "migrations/2.sql": "b"})
    town.unwell.add("api")
    watched = town.guard()
    assert town.live == "1.2.0"
    (said,) = watched.records
    assert said.action is Action.HOLD
    assert "the schema changed since 1.1.0: migrations/2.sql" in said.why
    assert "a person has to decide" in held(town).reason
    assert [item.decision for item in town.told] == ["hold"]


def test_nobody_tells_the_schema(tmp_path, town):
    town.deploy("1.2.0", "1.1.0", migrations={})
    town.unwell.add(("1.2.0", "api"))
    assert town.guard().records[0].action is Action.HOLD
    town.settings = {"keep_schema": True}
    assert town.guard().has(Action.ROLLBACK)
    assert town.live == "1.1.0"


def test_what_restarts_needs_a_person_where_one_is_to_be_asked(town, monkeypatch):
    town.confirm = True
    town.unwell.add(BAD)
    monkeypatch.setattr(
        "towline.rollout.operations.Operation.interruptions", ("recreates db (backing)",)
    )
    (said,) = town.guard().records
    assert said.action is Action.HOLD
    assert "recreates db (backing)" in said.why


def test_without_a_release_to_roll_back_to_people_are_told(tmp_path, town):
    site = town.fleet().lead
    site.store.remove(site.store.get("1.0.0"))
    town.unwell.add(BAD)
    (said,) = town.guard().records
    assert said.action is Action.NOTIFY
    assert "there is no good release to roll back to" in said.why


def test_while_somebody_deploys_it_waits(town):
    files, path = town.site.host.files, town.site.state.lock
    holder = this_process("deploy 1.2.0", 60.0)
    assert files.create(path, holder.content())
    town.unwell.add(BAD)

    def end(number):
        if number == 9:
            files.remove(path)

    watched = town.guard(during=end)
    assert town.said[0].startswith("paused: ")
    assert town.said[0].endswith("deploy 1.2.0")
    assert watched.has(Action.ROLLBACK)
    # Its rounds are counted from then on.
    assert town.said[1] == WATCHING


def test_what_was_interrupted_is_left_to_people(town):
    journal = town.fleet().lead.journal
    journal.write("x", "begin", data={"kind": "deploy", "release": "1.2.0", "before": "1.1.0"})
    town.unwell.add(BAD)
    (said,) = town.guard().records
    assert said.action is Action.NOTIFY
    assert "deploy 1.2.0 is not finished" in said.why
    assert town.live == "1.1.0"


def test_a_person_who_is_faster_wins(town, monkeypatch):
    """Between the decision and the lock somebody rolls back."""

    def faster(*given, **named):
        monkeypatch.undo()
        monkeypatch.setattr(
            acting.operations.Operation, "run", lambda self, *_, **__: self.also_admit()
        )
        other = acting.operations.rollback(*given, **named)
        town.site.engine.shares = {"blue": 100}
        return other

    monkeypatch.setattr(acting.operations, "rollback", faster)
    town.unwell.add(BAD)
    watched = town.guard(rounds=3)
    assert watched.records == []
    assert town.said[-1].startswith("nothing was done: 1.0.0 is live by now")
    assert town.notes == []


def test_two_guards_never_act_together(town):
    """The second one decided before the first one had the lock."""
    first, second = (
        Acting(town.fleet(), town.fleet, Guard(), Silent(), listeners=[]) for _ in range(2)
    )
    first.carry_out(RECORD)
    assert town.live == "1.0.0"
    with pytest.raises(Overtaken, match=r"1\.0\.0 is live by now"):
        second.carry_out(RECORD)
    assert len(town.notes) == 1


def test_of_two_guards_the_second_finds_the_record_of_the_first(town):
    """Killed right after it wrote down what it was about to do, before it did anything."""
    note(town.fleet().lead, "guard", {**RECORD.data()})
    with pytest.raises(Overtaken, match=r"another guard rolled back from 1\.1\.0"):
        Acting(town.fleet(), town.fleet, Guard(), Silent(), listeners=[]).carry_out(RECORD)
    assert town.live == "1.1.0"


def test_a_guard_that_is_started_again_does_not_repeat_itself(town):
    town.settings = {"on_trigger": "notify"}
    town.unwell.add(BAD)
    assert len(town.guard().records) == 1
    assert town.guard().records == []
    assert len(town.notes) == 1
    # But what changed for the worse is said.
    town.settings = {"on_trigger": "hold"}
    assert [item.action for item in town.guard().records] == [Action.HOLD]


def test_that_it_is_well_again_is_noted(town):
    town.settings = {"on_trigger": "notify"}
    town.unwell.add(BAD)
    town.guard(during=lambda number: town.unwell.clear() if number == 5 else None)
    assert [item["decision"] for item in town.notes] == ["notify", "recovered"]
    town.unwell.add(BAD)
    assert len(town.guard().records) == 1


def test_a_rollback_that_fails_is_told_and_not_tried_again(town):
    town.unwell |= {BAD, ("1.0.0", "api")}
    watched = town.guard(limit=600)
    assert [item.action for item in watched.records] == [Action.FAILED]
    assert town.live == "1.1.0"
    assert [item["decision"] for item in town.notes] == ["rollback", "failed"]
    assert held(town).reason.startswith("guard: health: ")
    assert town.fleet().lead.journal.verify() == []
    assert town.guard().records == []


@pytest.mark.parametrize("kind", [ConnectionLost, NoEngine, CheckFailed, PlanOutdated])
@pytest.mark.parametrize("when", ["planned", "run"])
def test_a_rollback_that_could_not_begin_is_tried_again(town, monkeypatch, kind, when):
    plan, run, left = acting.operations.rollback, acting.operations.Operation.run, [1, 2]

    def once(now):
        if now == when and left:
            left.pop()
            raise kind("not now")

    def plans(*given, **named):
        once("planned")
        return plan(*given, **named)

    def runs(operation, *given, **named):
        once("run")
        return run(operation, *given, **named)

    monkeypatch.setattr(acting.operations, "rollback", plans)
    monkeypatch.setattr(acting.operations.Operation, "run", runs)
    town.unwell.add(BAD)
    watched = town.guard(limit=25)
    assert town.live == "1.0.0"
    assert [item["decision"] for item in town.notes] == ["rollback"]
    assert [item.action for item in watched.records] == [Action.NOTIFY, Action.ROLLBACK]


def test_a_connection_that_is_lost_once_it_began_is_a_failure(town, monkeypatch):
    def runs(operation, *_, **__):
        operation.also_admit()
        raise ConnectionLost("web2 is gone")

    monkeypatch.setattr(acting.operations.Operation, "run", runs)
    town.unwell.add(BAD)
    assert [item.action for item in town.guard(limit=60).records] == [Action.FAILED]


def test_what_cannot_be_seen_says_nothing_against_a_release(town, monkeypatch):
    def gone():
        raise ConnectionError("the engine is away")

    monkeypatch.setattr(town.site.engine, "observe", gone)
    watched = town.guard(during=lambda number: monkeypatch.undo() if number == 10 else None)
    assert town.said[0] == "nothing can be seen: the engine is away"
    assert watched.records == []
    assert watched.blind == ""


def test_what_failed_before_nothing_was_seen_does_not_count_after_it(town, monkeypatch):
    """The engine is restarted: three failed rounds before it, and one as it comes back."""
    engine = town.site.engine
    see = engine.observe

    def gone():
        raise ConnectionError("the engine is away")

    def during(number):
        if number in (2, 5):
            monkeypatch.setattr(engine, "observe", gone if number == 2 else see)
        elif number == 6:
            town.unwell.clear()

    town.unwell.add(BAD)
    assert town.guard(during=during).records == []
    assert town.live == "1.1.0"


def test_nor_what_failed_before_the_machine_slept(town):
    def during(number):
        if number == 2:
            town.at += 3600
        elif number == 3:
            town.unwell.clear()

    town.unwell.add(BAD)
    assert town.guard(during=during).records == []
    assert town.live == "1.1.0"


def test_a_bug_is_not_taken_for_a_lost_connection(town):
    def broken():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        town.guard(beat=lambda _: broken())


def test_it_stops_at_its_limit(town):
    watched = town.guard(limit=22)
    assert (town.at, watched.rounds) == (22, 6)


def test_nothing_is_watched_where_nothing_is_live(tmp_path, town):
    empty = type(town)(tmp_path / "empty")
    assert empty.guard(rounds=3).release == ""
    assert empty.said == ["nothing is live"]


def test_what_is_not_live_at_the_end_did_not_stay_well(town):
    def remove(number):
        if number == 1:
            town.site.engine.containers.clear()

    watched = town.guard(limit=30, during=remove)
    assert town.said[-1] == "nothing is live"
    assert (watched.release, watched.result) == ("", "blind")
    with pytest.raises(TowlineError, match="nothing is live"):
        require_well(watched, "prod")


def test_a_rollback_by_another_guard_ends_the_watch_as_one_of_its_own(town):
    other = Acting(town.fleet(), town.fleet, Guard(), Silent(), listeners=[])
    watched = town.guard(limit=600, during=lambda n: other.carry_out(RECORD) if n == 1 else None)
    assert town.live == "1.0.0"
    assert town.at == 10
    assert watched.result == "rolled back"
    assert "another guard rolled back from 1.1.0 to 1.0.0" in town.said
    with pytest.raises(RolledBack, match=r"from 1\.1\.0 to 1\.0\.0"):
        require_well(watched, "prod")


def test_a_release_that_a_person_replaced_did_not_stay_well(town):
    def person(number):
        if number == 1:
            acting.operations.rollback(town.fleet()).run(Silent())

    # That a guard rolled back from it long ago is not what happened now.
    note(town.fleet().lead, "guard", {**RECORD.data()})
    watched = town.guard(limit=60, during=person)
    assert (town.live, town.at) == ("1.0.0", 60)
    assert (watched.result, watched.records) == ("replaced", [])
    with pytest.raises(TowlineError, match=r"1\.1\.0 was not watched to the end: 1\.0\.0 is live"):
        require_well(watched, "prod")


def test_its_own_rollback_is_recorded_once(town):
    town.unwell.add(BAD)
    watched = town.guard(rounds=9)
    assert [item.action for item in watched.records] == [Action.ROLLBACK]


def test_several_hosts_are_watched_and_roll_back_as_one(tmp_path, town, monkeypatch):
    """Users of one host get errors: all hosts roll back."""
    other = type(town)(tmp_path / "web2")
    for version in ("0.9.0", "1.0.0", "1.1.0"):
        other.deploy(version)
    alone = town.fleet

    def both():
        sites = [*alone().sites, *other.fleet().sites]
        for site, name in zip(sites, ("web1", "web2"), strict=True):
            site.host.name, site.remote = name, True
        return Fleet(tuple(sites))

    monkeypatch.setattr(town, "fleet", both)
    # There it lives in the other slot.
    town.unwell.add(("1.1.0", "blue-api-1"))
    watched = town.guard(limit=600)
    assert watched.has(Action.ROLLBACK), town.said
    assert (town.live, other.live) == ("1.0.0", "1.0.0")
    assert "api on web2" in watched.records[0].text


@pytest.fixture
def two(town, tmp_path):
    """Opens the environment on two hosts, of which those in `gone` are away."""
    other, alone, gone = type(town)(tmp_path / "web2"), town.fleet, {"web2"}
    for version in ("0.9.0", "1.0.0", "1.1.0"):
        other.deploy(version)

    def opened():
        sites = []
        for one, name in ((alone(), "web1"), (other.fleet(), "web2")):
            (site,) = one.sites
            site.host.name, site.remote = name, True
            sites.append(site)
        away = tuple(Away(name, "no route") for name in sorted(gone))
        return Fleet(tuple(item for item in sites if item.host.name not in gone), away)

    opened.gone = gone
    return opened


def test_a_host_that_was_away_at_the_beginning_is_watched_once_it_is_back(town, two):
    town.unwell.add(("1.1.0", "blue-api-1"))
    watched = town.guard(limit=600, look=two, open=two,
                         during=lambda n: two.gone.clear() if n == 3 else None)  # fmt: skip
    assert town.said[0] == "not watched: web2: no route"
    assert "all hosts are watched again" in town.said
    assert "api on web2" in watched.records[0].text
    # Found half a minute after the beginning.
    assert 30 < town.at < 60


def test_a_host_that_stays_away_is_told_once_and_does_not_end_the_watch(town, two):
    opened = []

    def look():
        if len(opened) == 3:
            raise HostLost("web1 is slow")
        opened.append(two())
        return opened[-1]

    town.request_log, town.site.engine.keeps_log = True, True
    watched = town.guard(rounds=30, look=look, open=two)
    assert (watched.blind, watched.result) == ("", "well")
    assert town.said.count("not watched: web2: no route") == 1
    assert 3 <= len(opened) <= 7


def test_what_cannot_be_done_is_told_and_tried_again(town, monkeypatch):
    """A host is away: what is decided for all hosts waits for it."""
    town.unwell.add(BAD)
    fleet, away = town.fleet, []

    def opened():
        if away:
            raise HostLost("web2 does not answer")
        return fleet()

    monkeypatch.setattr(town, "fleet", opened)
    watched = town.guard(rounds=6, during=lambda number: away.append(1) if number == 1 else None)
    assert town.live == "1.1.0"
    assert watched.result == "fired"
    (said,) = watched.records
    assert said.why == "nothing can be done yet: web2 does not answer"
    away.clear()
    assert town.guard(limit=600).has(Action.ROLLBACK)


def test_what_cannot_be_done_is_told_once(town, monkeypatch):
    def lost(*_, **__):
        raise ConnectionLost("web2 is gone")

    monkeypatch.setattr(acting.operations, "rollback", lost)
    town.unwell.add(BAD)
    town.guard(rounds=30)
    text = "health: 4 rounds in a row failed; last: api: GET /: 500"
    assert town.said[3:] == [
        f"{text} → roll back to 1.0.0",
        f"{text} → notify only: nothing can be done yet: web2 is gone",
    ]
    # But it is told again when it fires again.
    town.said.clear()
    town.unwell.clear()
    town.guard(rounds=20, during=lambda n: (town.unwell.discard, town.unwell.add)[n % 10 > 2](BAD))
    assert [line.endswith("web2 is gone") for line in town.said].count(True) == 2


def test_what_is_watched_is_said_though_nobody_knows_what_it_would_do(town, monkeypatch):
    fleet = town.fleet

    def opened():
        monkeypatch.setattr(town, "fleet", fleet)
        raise HostLost("web2 does not answer")

    watched = town.guard(rounds=3, open=opened)
    assert watched.blind == ""
    assert town.said == [
        "watching 1.1.0; whether it could roll back is not known: web2 does not answer"
    ]


def test_what_is_watched_is_said_again_once_it_is_seen_again(town, monkeypatch):
    def gone():
        raise ConnectionError("the engine is away")

    def during(number):
        if number == 3:
            monkeypatch.setattr(town.site.engine, "observe", gone)
        if number == 6:
            monkeypatch.undo()

    town.guard(during=during, open=town.fleet)
    assert town.said == [WATCHING, "nothing can be seen: the engine is away", WATCHING]


def test_a_broken_database_is_in_the_way_from_the_beginning(town):
    town.unwell.add("db")
    town.guard(rounds=1)
    assert town.said[0] == (
        "watching 1.1.0; it would not roll back (a backing service fails (db: GET /: 500), which "
        "no other release would cure)"
    )


def test_only_the_backing_services_that_are_named_excuse_a_release(town):
    town.settings = {"triggers": {"database": {"services": ["cache"]}}}
    town.unwell.add("db")
    town.guard(rounds=1)
    assert town.said == [WATCHING]


def test_a_workflow_shows_what_the_guard_decided(town, tmp_path, monkeypatch):
    path = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    town.unwell |= {"db", BAD}
    town.guard(listeners=find_listeners())
    text = path.read_text()
    assert "### guard of shop 1.1.0 in prod: notify" in text
    assert "> health: 4 rounds in a row failed; last: api: GET /: 500<br>a backing service" in text
