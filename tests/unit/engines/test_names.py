import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from towline.config.models import Settings
from towline.engines.compose.names import SHARED, Names, compose_project

NAME = st.from_regex(r"[a-c][ab_-]{0,4}", fullmatch=True)
PAIR = st.tuples(NAME, NAME)


def claimed(project, environment):
    """Everything that an environment may call its own, for any short key."""
    name = compose_project(project, environment)
    keys = ("_a", "_a_a", "_a-a_b", "_b_a")
    return {name, f"{name}-blue", f"{name}-green", *(name + key for key in keys)}


@given(PAIR, PAIR)
@example(("shop", "api-prod"), ("shop-api", "prod"))
@example(("shop", "prod"), ("shop", "prod_a"))
@example(("shop", "a"), ("shop", "a-blue"))
def test_no_two_environments_share_a_name(one, other):
    assert one == other or not claimed(*one) & claimed(*other)


def test_plain_names_stay_as_they_were():
    assert compose_project("shop", "prod") == "shop-prod"
    assert compose_project("my_shop", "prod") == "my_shop-prod"


def test_what_was_made_under_the_early_name_stays_in_use():
    names = Names("a-b-c-123456", "a-b-c", frozenset({"a-b-c", "a-b-c_data"}))
    assert names.persistent == "a-b-c"
    assert names.slot("blue") == "a-b-c-123456-blue"
    assert names.resource("data") == "a-b-c_data"
    assert names.resource("other") == "a-b-c-123456_other"


def test_a_file_under_early_names_is_brought_to_those_of_today():
    early = {
        "name": "a-b-c",
        "services": {"db": {}},
        "networks": {"default": {"name": "a-b-c_default", "external": True}},
        "volumes": {"data": {"name": "a-b-c_data"}, "own": {"name": "theirs"}},
        SHARED: {"networks": {"a-b-c_default": {"x": 1}}, "volumes": {"a-b-c_data": {}}},
    }
    names = Names("a-b-c-123456", "a-b-c", frozenset({"a-b-c_data"}))
    today = names.current(early)
    assert today["name"] == "a-b-c-123456"
    assert today["networks"]["default"]["name"] == "a-b-c-123456_default"
    assert today["volumes"] == early["volumes"]
    assert today[SHARED] == {
        "networks": {"a-b-c-123456_default": {"x": 1}},
        "volumes": {"a-b-c_data": {}},
    }
    assert names.current(today) == today
    assert Names("shop-prod").current(early) is early


@pytest.mark.parametrize("name", ["blue", "local-blue", "prod_green", "Prod", "../up", "a b", ""])
def test_names_of_environments_that_could_be_taken_for_others_are_refused(name):
    with pytest.raises(ValueError, match="environment"):
        Settings(project="shop", environments={name: {}})
    assert Settings(project="shop", environments={"bluebell": {}, "eu-west_1": {}})
