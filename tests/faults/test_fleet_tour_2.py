"""The deployer of three hosts is killed at the other half of the points: see `tour.py`."""

from three_hosts import tour_of


def test_killed_at_the_other_half_one_version_serves_and_it_can_be_resumed_or_aborted(fleet, lab):
    tour_of(fleet, lab, 1)
