"""The deployer of one host is killed at the other half of all points: see `tour.py`."""

from one_host import tour_of


def test_killed_at_the_other_half_of_all_points_it_can_be_resumed_or_aborted(small):
    tour_of(small, 1)
