"""The error trigger: more than 10 % for 5 minutes, and no burst, and no guess without data."""

import json

import pytest
from looks import look

from towline.config.guard_section import Guard
from towline.errors import TowlineError
from towline.guard import request_counter
from towline.guard.request_counter import RequestCounter, Tally
from towline.guard.trigger import TriggerState, make_triggers
from towline.routing.request_reader import LogPart, LogPosition

CLEAR, PENDING, FIRED, UNKNOWN = TriggerState


def trigger(**settings):
    given = Guard.model_validate({"triggers": {"errors": settings or True}})
    return next(item for item in make_triggers(given) if item.name == "errors")


def states(made, rounds):
    """Rounds of 5 s, each with requests and the errors among them; None: nobody could tell."""
    seen = [look(5 * number, requests=item and Tally(*item)) for number, item in enumerate(rounds)]
    return [made.look(item).state for item in seen]


def test_it_fires_after_five_minutes_above_ten_percent():
    found = states(trigger(), [(50, 6)] * 61)
    assert found[:60] == [PENDING] * 60
    assert found[60] is FIRED


def test_its_figures():
    made = trigger(**{"for": "10s", "above": "5%"})
    for at in (0, 5, 10):
        signal = made.look(look(at, requests=Tally(50, 5)))
    assert signal.text == ("10.0 % of 100 requests failed in 10 s, more than 5 % are too many")
    assert signal.figures == {
        "share": 0.1, "requests": 100, "errors": 10, "above": 0.05, "seconds": 10,
    }  # fmt: skip


def test_exactly_ten_percent_is_tolerated():
    assert set(states(trigger(), [(50, 5)] * 80)) == {CLEAR}


def test_a_burst_is_no_state_however_bad():
    # All fail for two minutes, and over five minutes 40 % do.
    burst = [(50, 50)] * 24 + [(50, 0)] * 60
    assert FIRED not in states(trigger(), burst)
    assert states(trigger(), burst)[-1] is CLEAR


def test_a_burst_on_a_quiet_service_is_no_state_either():
    # Nobody comes for five minutes, then 25 requests in one second, and 3 of them fail.
    assert FIRED not in states(trigger(), [(0, 0)] * 61 + [(25, 3)] + [(0, 0)] * 61)
    # Four fifths of the time are not all of it.
    assert FIRED not in states(trigger(), [(0, 0)] * 61 + [(50, 50)] * 48)


def test_rounds_may_take_longer_than_a_fifth_of_the_time():
    assert states(trigger(**{"for": "10s"}), [(50, 10)] * 3)[-1] is FIRED
    assert FIRED in states(trigger(**{"for": "15s"}), [(50, 10)] * 9)


def test_what_came_while_nobody_looked_is_not_spread_over_that_time():
    assert FIRED not in states(trigger(), [(0, 0), *[None] * 60, (100, 50), (0, 0)])


def test_few_requests_are_no_proof():
    assert FIRED not in states(trigger(), [(1, 1)] * 15 + [(0, 0)] * 60)
    assert FIRED in states(
        trigger(minimum=5), [(1, 1) if n % 10 == 0 else (0, 0) for n in range(99)]
    )


def test_no_requests_at_all_say_nothing():
    assert set(states(trigger(), [(0, 0)] * 80)) == {CLEAR}
    assert set(states(trigger(), [None] * 80)) == {UNKNOWN}


def line(slot="blue", status=200):
    data = {"time": 1.0, "slot": slot, "release": "1.0.0", "service": "web", "status": status,
            "upstream_status": str(status), "request_time": 0.1, "upstream_response_time": "0.1",
            "request_id": "x", "bytes": 1}  # fmt: skip
    return json.dumps(data).encode()


class Router:
    def __init__(self):
        self.lines, self.why = [line(status=500)] * 9, None

    def requests(self, after=None):
        if self.why:
            raise self.why
        start = after.offset if after else len(self.lines)
        return LogPart(tuple(self.lines[start:]), LogPosition(b"", len(self.lines)))


@pytest.fixture
def router():
    return Router()


def test_requests_are_counted_since_the_last_round_and_of_one_slot(router):
    counter = RequestCounter()
    # What was logged before is of nobody knows when.
    assert counter.count(router, "blue") is None
    router.lines += [line(), line(status=502), line(status=404), line("green", 500), b"{torn"]
    assert counter.count(router, "blue") == Tally(3, 1)
    assert counter.count(router, "blue") == Tally(0, 0)


def test_a_log_that_cannot_be_read_is_begun_anew(router):
    counter = RequestCounter()
    counter.count(router, "blue")
    router.why = TowlineError("the router keeps no request log")
    assert counter.count(router, "blue") is None
    router.why = None
    router.lines += [line(status=500)]
    assert counter.count(router, "blue") is None
    assert counter.count(router, "blue") == Tally(0, 0)


def test_of_very_many_only_some_are_looked_at(router, monkeypatch):
    monkeypatch.setattr(request_counter, "MOST", 100)
    counter = RequestCounter()
    counter.count(router, "blue")
    router.lines += [
        line(status=500 if n % 5 == 0 else 200).replace(b'"x"', str(n).encode())
        for n in range(1000)
    ]
    found = counter.count(router, "blue")
    assert found.count == pytest.approx(1000, rel=0.5)
    assert found.share == pytest.approx(0.2, abs=0.15)


def test_a_release_whose_users_get_errors_is_rolled_back_though_its_probe_is_well(town):
    engine = town.site.engine
    engine.keeps_log = town.request_log = True

    def users(_):
        engine.logged += [line("green", 500 if n % 5 == 0 else 200) for n in range(50)]

    watched = town.guard(limit=900, rounds=200, during=users)
    assert town.live == "1.0.0"
    assert 300 <= town.at <= 330
    (said,) = watched.records
    assert said.trigger == "errors"
    assert said.figures["share"] == pytest.approx(0.2)


def test_without_a_request_log_nothing_is_counted(town):
    town.site.engine.keeps_log = True
    town.site.engine.requests = lambda *_: pytest.fail("nobody keeps a log")
    assert town.guard().records == []
