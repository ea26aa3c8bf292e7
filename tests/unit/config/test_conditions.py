import pytest
from pydantic import ValidationError

from towline.config.analysis_section import Analysis
from towline.config.conditions import NoWorse, Threshold, parse_condition


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("< 5%", Threshold("<", 5.0, "%")),
        (" <=0.5 ", Threshold("<=", 0.5)),
        ("< 1000ms", Threshold("<", 1.0, "s")),
        (">= 2 m", Threshold(">=", 120.0, "s")),
        ("> 10/s", Threshold(">", 10.0, "/s")),
        ("< 1.2x old", Threshold("<", 1.2, is_relative=True)),
        ("< 1.2X  Old", Threshold("<", 1.2, is_relative=True)),
        ("no worse than old", NoWorse()),
        ("No worse than old by 25%", NoWorse(0.25)),
    ],
)
def test_a_condition_is_what_people_write(text, wanted):
    assert parse_condition(text) == wanted


@pytest.mark.parametrize("text", ["", "5%", "< five", "= 5", "< 5 parsecs", "no worse", "<< 5%"])
def test_anything_else_is_refused_with_examples(text):
    with pytest.raises(ValueError, match="write `< 5%`"):
        parse_condition(text)


def test_limits_are_what_their_signs_say():
    assert parse_condition("< 5").allows(4.9)
    assert not parse_condition("< 5").allows(5.0)
    assert parse_condition("<= 5").allows(5.0)
    assert parse_condition(">= 5").allows(5.0)
    assert not parse_condition("> 5").allows(5.0)
    assert parse_condition("< 1.2x old").allows(1.1, 1.0)
    assert not parse_condition("< 1.2x old").allows(1.1, 0.5)


def test_a_check_may_be_its_condition_alone():
    section = Analysis.model_validate(
        {"checks": {"errors": "< 5%", "mine": {"query": "up", "pass": "> 0"}}}
    )
    assert section.checks["errors"].condition == "< 5%"
    assert section.checks["mine"].origin == "prometheus"
    assert section.keeps_request_log
    assert not Analysis().keeps_request_log
    assert not Analysis(checks=section.checks, request_log=False).keeps_request_log


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ({"pass": "< 5parsecs"}, "unknown unit"),
        ({"pass": "< 5%", "source": "oracle"}, "unknown source 'oracle'; known: command"),
        ({"pass": "< 5", "source": "prometheus"}, "source prometheus needs `query`"),
        ({"pass": "< 5", "source": "command"}, "source command needs `command`"),
        ({"pass": "< 5", "source": "router", "query": "up"}, "`query` is for source prometheus"),
        ({"pass": "< 5/min", "pattern": "("}, "not a regular expression"),
        ({"pass": "< 0x old"}, "above 0"),
        ({"limit": 2}, "pass"),
    ],
)
def test_what_cannot_work_is_refused_at_once(check, said):
    with pytest.raises(ValidationError, match=said):
        Analysis.model_validate({"checks": {"mine": check}})
