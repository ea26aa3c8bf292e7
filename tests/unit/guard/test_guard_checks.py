"""The checks of an analysis, asked on after it has ended."""

import json

import pytest
from looks import look

from towline.analysis.checks import Answer
from towline.config.analysis_section import Analysis
from towline.config.guard_section import Guard
from towline.errors import TowlineError
from towline.guard.check_reader import CheckReader, CheckSeen
from towline.guard.trigger import TriggerState, make_triggers

CLEAR, PENDING, FIRED, UNKNOWN = TriggerState
FAIL, PASS, ERROR, NO_DATA = Answer.FAIL, Answer.PASS, Answer.ERROR, Answer.NO_DATA


def trigger(**settings):
    given = Guard.model_validate({"triggers": {"checks": settings or True}})
    return next(item for item in make_triggers(given) if item.name == "checks")


def states(made, rounds):
    seen = [
        look(number, checks=answers and tuple(
            CheckSeen("", name, answer, f"{name} 1.2 s (wanted < 1 s)")
            for name, answer in answers.items()
        ))
        for number, answers in enumerate(rounds)
    ]  # fmt: skip
    return [made.look(item).state for item in seen]


def test_the_fourth_failure_in_a_row_fires():
    made = trigger()
    assert states(made, [{"p95": FAIL, "cpu": PASS}] * 4) == [PENDING] * 3 + [FIRED]
    seen = look(9, checks=(CheckSeen("web1", "p95", FAIL, "p95 1.2 s"),))
    assert made.look(seen).text.startswith("p95 failed 4 times in a row; last: p95 1.2 s")


def test_each_check_has_a_row_of_its_own_and_what_cannot_tell_counts_for_nothing():
    turns = [{"p95": FAIL, "cpu": PASS}, {"p95": PASS, "cpu": FAIL}]
    assert FIRED not in states(trigger(), turns * 9)
    vague = [{"p95": FAIL}, {"p95": ERROR}, {"p95": NO_DATA}, None]
    assert states(trigger(), vague * 4)[-4] is FIRED
    assert set(states(trigger(), [{"p95": ERROR}, {"p95": NO_DATA}] * 9)) == {CLEAR}
    assert set(states(trigger(), [None] * 9)) == {UNKNOWN}


def logged(at, seconds):
    data = {"time": at, "slot": "green", "release": "1.1.0", "service": "api", "status": 200,
            "upstream_status": "200", "request_time": seconds, "request_id": "x", "bytes": 1,
            "upstream_response_time": str(seconds)}  # fmt: skip
    return json.dumps(data).encode()


SECTION = {
    "interval": "10s",
    "minimum": 5,
    "checks": {
        "p95": "< 1000ms",
        "p95_vs_old": {"metric": "p95", "pass": "< 1.2x old"},
        "p50": {"pass": "< 1ms", "critical": False},
    },
}


@pytest.fixture
def reader(town):
    town.site.engine.keeps_log = True
    made = CheckReader(Analysis.model_validate(SECTION), 60.0, clock=lambda: town.at)
    made.ask(town.site, "green", "1.1.0")
    return made


def test_figures_are_those_of_the_last_minutes(town, reader):
    engine = town.site.engine
    engine.logged += [logged(at, 2.0) for at in range(5, 25)]
    town.at = 60
    # Neither what compares with a release that has no traffic, nor what only counts in a score.
    (said,) = reader.ask(town.site, "green", "1.1.0")
    assert (said.name, said.answer) == ("p95", FAIL)
    engine.logged += [logged(at, 0.1) for at in range(100, 130)]
    town.at = 130
    assert reader.ask(town.site, "green", "1.1.0")[0].answer is PASS
    town.at = 135
    assert reader.ask(town.site, "green", "1.1.0") is None


def test_figures_of_a_few_seconds_do_not_count(town, reader):
    town.site.engine.logged += [logged(at, 2.0) for at in range(20)]
    for town.at in (20, 40, 59):
        assert reader.ask(town.site, "green", "1.1.0") is None


def test_another_release_begins_anew(town, reader):
    town.site.engine.logged += [logged(at, 2.0) for at in range(20)]
    town.at = 20
    assert reader.ask(town.site, "green", "1.2.0") is None
    town.at = 80
    assert reader.ask(town.site, "green", "1.2.0")[0].answer is NO_DATA


def test_a_source_that_cannot_be_asked_is_no_failure(town, reader):
    town.at = 60

    def fails(*_):
        raise TowlineError("the router is away")

    town.site.engine.requests = fails
    assert reader.ask(town.site, "green", "1.1.0")[0].answer is ERROR


def test_a_release_that_became_slow_is_rolled_back(town, monkeypatch):
    engine = town.site.engine
    engine.keeps_log = True
    town.checks = SECTION
    monkeypatch.setattr("towline.guard.check_reader.time.time", lambda: town.at)

    def users(_):
        engine.logged += [logged(town.at, 2.0) for _ in range(20)]

    watched = town.guard(limit=600, rounds=99, during=users)
    # Once there are five minutes to tell it from, four times in a row.
    assert 330 <= town.at <= 345
    assert town.live == "1.0.0"
    (said,) = watched.records
    assert said.trigger == "checks"
    assert said.text.startswith("p95 failed 4 times in a row; last: p95 ")
