"""How a container ended that its restart policy has started again."""

from types import SimpleNamespace

import pytest

from towline.engines.compose.containers import last_exit

ENDED = "2026-01-02T03:04:05.123456789Z"


def engine(*codes, asked):
    def events(**given):
        asked.append(given)
        return ({"Actor": {"Attributes": {"exitCode": str(code)}}} for code in codes)

    return SimpleNamespace(events=events)


@pytest.mark.parametrize(
    ("state", "codes", "told"),
    [
        ({"Running": True, "ExitCode": 0}, (7,), 7),
        ({"Running": True, "ExitCode": 0}, (1, 137), 137),
        ({"Running": True, "ExitCode": 0}, (), 0),
        ({"Running": True, "Restarting": True, "ExitCode": 3}, (7,), 3),
        ({"Running": False, "ExitCode": 2}, (7,), 2),
    ],
)
def test_a_container_that_runs_again_is_told_with_how_it_ended(state, codes, told):
    asked = []
    found = last_exit(engine(*codes, asked=asked), "c1", {**state, "FinishedAt": ENDED})
    assert found == told
    if asked:
        assert asked[0]["until"] - asked[0]["since"] == 2
        assert asked[0]["filters"] == {"container": "c1", "event": "die"}
