"""When the guard rolls back, and every case in which it does not."""

import pytest

from towline.config.guard_section import Guard
from towline.guard.decision import decide
from towline.guard.record import Action
from towline.guard.situation import Situation
from towline.guard.trigger import make_triggers

WELL = {"release": "1.1.0", "live_for": 60.0, "target": "1.0.0"}


def decided(trigger="health", guard=None, **situation):
    settings = Guard.model_validate(guard or {})
    made = next(item for item in make_triggers(settings) if item.name == trigger)
    return decide(made, Situation(**{**WELL, **situation}), settings)


@pytest.mark.parametrize("trigger", ["health", "service_down"])
def test_it_rolls_back_where_that_helps_and_is_safe(trigger):
    assert decided(trigger).action is Action.ROLLBACK
    assert decided(trigger).why == ""


@pytest.mark.parametrize(
    ("situation", "action", "why"),
    [
        ({"unfinished": "deploy 1.2.0"}, Action.NOTIFY, "deploy 1.2.0 is not finished"),
        ({"backing": ("db: Exited (1)",)}, Action.NOTIFY, "a backing service fails (db: Exited"),
        ({"target": "", "no_target": "there is no good release"}, Action.NOTIFY, "no good release"),
        ({"live_for": None}, Action.NOTIFY, "does not tell since when 1.1.0 is live"),
        ({"live_for": 86401.0}, Action.NOTIFY, "live for 1 d 0 h, longer than guard.window"),
        ({"was_rolled_back": True}, Action.NOTIFY, "was rolled back by the guard before"),
        ({"rollbacks": 1}, Action.HOLD, "rolled back 1 times within 1 d 0 h"),
        ({"schema": "the schema changed since 1.0.0: m/2"}, Action.HOLD, "a person has to decide"),
        ({"interruptions": ("recreates db",)}, Action.HOLD, "a person has to agree"),
    ],
)  # fmt: skip
def test_it_never_rolls_back(situation, action, why):
    found = decided(**situation)
    assert found.action is action
    assert why in found.why


def test_while_somebody_is_at_work_nothing_is_decided_yet():
    found = decided(holder="Ada: deploy 1.2.0")
    assert (found.action, found.why) == (None, "Ada: deploy 1.2.0")


def test_a_database_is_not_cured_by_another_release():
    found = decided("database")
    assert found.action is Action.NOTIFY
    assert "no other release would cure" in found.why


def test_what_is_configured_counts_and_a_trigger_of_its_own_more():
    assert decided(guard={"on_trigger": "notify"}).action is Action.NOTIFY
    own = {"on_trigger": "notify", "triggers": {"health": {"on_trigger": "rollback"}}}
    assert decided(guard=own).action is Action.ROLLBACK
    held = {"triggers": {"database": {"on_trigger": "hold"}}}
    assert decided("database", held).action is Action.HOLD


def test_limits_are_those_of_the_configuration():
    assert decided(guard={"max_rollbacks": 2}, rollbacks=1).action is Action.ROLLBACK
    assert decided(guard={"max_rollbacks": 0}).action is Action.HOLD
    assert decided(guard={"window": "1h"}, live_for=3601.0).action is Action.NOTIFY
