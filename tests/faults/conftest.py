"""The same engine and projects as the integration tests."""

import pytest

from projects import make_project, remove, require_engine


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
