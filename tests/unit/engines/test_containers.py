import pytest

from towline.engines.compose.containers import policy_of


@pytest.mark.parametrize(
    ("definition", "name", "tries"),
    [
        ({}, "no", 0),
        ({"restart": "no"}, "no", 0),
        ({"restart": "always"}, "always", 0),
        ({"restart": "on-failure:3"}, "on-failure", 3),
        ({"restart": "unless-stopped", "deploy": {"restart_policy": {"condition": "none"}}},
         "unless-stopped", 0),
        ({"deploy": {"restart_policy": {"condition": "on-failure", "max_attempts": 5}}},
         "on-failure", 5),
        ({"deploy": {"restart_policy": {"condition": "any", "max_attempts": 5}}}, "always", 0),
        ({"deploy": {"restart_policy": {"condition": "none"}}}, "no", 0),
    ],
)  # fmt: skip
def test_the_restart_policy_is_what_compose_makes_of_a_definition(definition, name, tries):
    assert policy_of(definition) == {"Name": name, "MaximumRetryCount": tries}
