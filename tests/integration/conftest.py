"""A Docker engine is needed here, and projects of our own on it."""

import pytest

from projects import make_project, remove, require_engine


@pytest.fixture(scope="session", autouse=True)
def engine():
    """A Docker engine."""
    require_engine()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """One deployed environment for the tests of a module, which run in order."""
    made = make_project(tmp_path_factory.mktemp("main"))
    yield made
    remove(made)
