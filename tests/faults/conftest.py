"""The same engine and projects as the integration tests, and what is killed."""

import pytest

from projects import make_project, remove, require_engine
from three_hosts import make_fleet, promote
from tour import begin
from toy import APP, release, toy


@pytest.fixture(scope="session", autouse=True)
def engine():
    """A Docker engine."""
    require_engine()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """One environment; the tests of a module run in order."""
    made = make_project(tmp_path_factory.mktemp("faults"), bake_time="300ms")
    yield made
    remove(made)


@pytest.fixture
def small(tmp_path, request):
    """OLD is live, NEW is there and stopped."""
    made = toy(tmp_path, work=True)
    begin(made, lambda version: release(made, version, getattr(request, "param", APP)))
    yield made
    remove(made)


@pytest.fixture
def fleet(lab, tmp_path):
    """On three hosts, OLD is live, NEW is there and stopped."""
    made = make_fleet(tmp_path, lab)
    begin(made, lambda version: promote(made, version))
    yield made
    remove(made)
