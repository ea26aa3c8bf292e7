"""Each trigger fires when its condition has held for long enough, and not before."""

from dataclasses import replace

import pytest
from looks import look, nobody
from pydantic import ValidationError

from towline.config.guard_section import Guard, Triggers
from towline.config.services import Role
from towline.discovery import module_names
from towline.guard.trigger import TriggerState, make_triggers

CLEAR, PENDING, FIRED, UNKNOWN = TriggerState


def trigger(name, **settings):
    given = Guard.model_validate({"triggers": {name: settings or True}})
    return next(item for item in make_triggers(given) if item.name == name)


def states(made, rounds):
    return [made.look(seen).state for seen in rounds]


def test_every_kind_has_a_section_and_every_section_a_kind():
    assert set(Triggers.model_fields) == set(module_names("towline.guard.triggers"))
    assert {item.name for item in make_triggers(Guard())} == set(Triggers.model_fields)


def test_false_switches_one_off():
    given = Guard.model_validate({"triggers": {"health": False}})
    assert "health" not in {item.name for item in make_triggers(given)}


def test_no_time_at_all_is_refused():
    for given in ({"interval": 0}, {"triggers": {"errors": {"for": "0s"}}}):
        with pytest.raises(ValidationError, match="greater than 0"):
            Guard.model_validate(given)


def test_health_fires_at_the_fourth_failed_round_in_a_row():
    made = trigger("health")
    assert states(made, [look(n, api="500") for n in range(4)]) == [PENDING] * 3 + [FIRED]
    signal = made.look(look(5, api="500"))
    assert signal.text == "5 rounds in a row failed; last: api: 500"
    assert signal.figures == {"failed_rounds": 5, "tolerated": 3, "failing": 1}


def test_one_good_round_begins_the_count_anew():
    made = trigger("health")
    rounds = [look(0, api="500"), look(1, api="500"), look(2, api="unasked"), look(3)]
    assert states(made, [*rounds, *rounds]) == [PENDING, PENDING, PENDING, CLEAR] * 2


def test_a_service_that_crashes_again_and_again_is_not_forgiven_while_it_starts():
    made = trigger("health", failures=1)
    rounds = [look(0, api="500"), look(1, api="starting"), look(2, api="500")]
    assert states(made, rounds) == [PENDING, PENDING, FIRED]
    # One that only starts has done nothing wrong.
    assert states(trigger("health"), [look(n, api="starting") for n in range(9)]) == [CLEAR] * 9


def test_a_container_that_just_began_has_time_to_start():
    """After a reboot of its host, nothing listens there yet."""
    made = trigger("health")
    rounds = [look(n, api="unasked", young=["api"]) for n in range(12)]
    assert states(made, rounds) == [CLEAR] * 12
    assert states(made, [look(n, api="unasked") for n in range(12, 16)])[-1] is FIRED


def test_one_that_was_healthy_since_it_began_has_none():
    made = trigger("health")
    rounds = [look(0), *(look(n, api="500", young=["api"]) for n in range(1, 5))]
    assert states(made, rounds)[-1] is FIRED
    # But once it stopped, it begins anew.
    made = trigger("health", failures=5)
    rounds = [look(0), look(1, api="down"), *(look(n, api="500", young=["api"]) for n in range(9))]
    assert FIRED not in states(made, rounds)


def test_health_asks_apps_and_database_asks_backing_services():
    broken = [look(n, db="unhealthy") for n in range(4)]
    assert states(trigger("health"), broken)[-1] is CLEAR
    assert states(trigger("database"), broken) == [PENDING] * 3 + [FIRED]
    assert trigger("health").blames_release
    assert not trigger("database").blames_release
    other = trigger("database", services=["cache"])
    assert states(other, broken)[-1] is CLEAR


@pytest.mark.parametrize("name", ["health", "database", "service_down"])
def test_what_cannot_be_asked_neither_fires_nor_clears(name):
    made = trigger(name)
    assert states(made, [nobody(n) for n in range(100)])[-1] is UNKNOWN
    bad = {"health": {"api": "500"}, "database": {"db": "no"}, "service_down": {"api": "down"}}
    seen = [look(100, **bad[name]), nobody(105), look(110, **bad[name])]
    assert states(made, seen) == [PENDING, UNKNOWN, PENDING]


def test_a_service_that_is_down_fires_after_its_time():
    made = trigger("service_down", **{"for": "30s"})
    rounds = [look(at, worker="down") for at in (0, 10, 20, 29, 30)]
    assert states(made, rounds) == [PENDING] * 4 + [FIRED]
    signal = made.look(look(31, worker="down"))
    assert signal.text == "worker is down for 31 s: down"
    assert signal.figures == {"seconds": 31, "rounds": 6, "limit": 30}


def test_time_in_which_nobody_could_be_asked_is_not_time_that_a_service_was_down():
    made = trigger("service_down", **{"for": "30s"})
    blind = [nobody(at) for at in range(5, 90, 5)]
    after = [look(at, api="down") for at in (90, 100, 119, 120)]
    found = states(made, [look(0, api="down"), *blind, *after])
    assert found[-4:] == [PENDING] * 3 + [FIRED]


def test_nor_is_that_in_which_its_host_was_away():
    made = trigger("service_down", **{"for": "30s"})
    other = replace(look(5), services=look(5).of(Role.BACKING))
    rounds = [look(0, api="down"), *(replace(other, at=at) for at in range(5, 60, 5))]
    assert states(made, [*rounds, look(60, api="down"), look(89, api="down")])[-1] is PENDING


@pytest.mark.parametrize(("name", "service"), [("health", "api"), ("database", "db")])
def test_failed_rounds_before_a_reboot_do_not_count_after_it(name, service):
    made = trigger(name)
    before = [look(at, **{service: "500"}) for at in (0, 5, 10)]
    after = [look(at, **{service: "500"}) for at in (90, 95, 100, 105)]
    found = states(made, [*before, nobody(15), *after])
    assert found[-4:] == [PENDING] * 3 + [FIRED]


def test_a_restart_is_forgiven():
    made = trigger("service_down", **{"for": "30s"})
    rounds = [look(0, api="down"), *(look(at) for at in range(5, 60, 5))]
    assert states(made, rounds)[-1] is CLEAR
    assert FIRED not in states(made, [look(60, api="down"), look(70), look(86), look(95)])


def test_a_service_that_restarts_again_and_again_fires():
    made = trigger("service_down", **{"for": "30s"})
    rounds = [look(at, api="down" if at % 10 == 0 else "well") for at in range(0, 45, 5)]
    assert FIRED in states(made, rounds)


def test_only_named_services_are_critical():
    made = trigger("service_down", **{"for": "1s", "services": ["nginx"]})
    assert states(made, [look(0, api="down"), look(9, api="down")])[-1] is CLEAR
    assert states(made, [look(10, nginx="down"), look(19, nginx="down")])[-1] is FIRED
