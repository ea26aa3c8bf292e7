"""A Docker engine is needed here, and projects of our own on it."""

import os
import subprocess

import pytest

from projects import make_project, remove


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session", autouse=True)
def engine():
    """A Docker engine; without one these tests cannot run, and in CI that is a failure."""
    answer = subprocess.run(["docker", "info"], capture_output=True, check=False)
    if answer.returncode:
        if os.environ.get("CI"):
            pytest.fail("no Docker engine answers; scripts/engine starts one")
        pytest.skip("no Docker engine answers; scripts/engine starts one")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """One deployed environment for the tests of a module, which run in order."""
    made = make_project(tmp_path_factory.mktemp("main"))
    yield made
    remove(made)


@pytest.fixture
def own_project(tmp_path):
    """An environment for one test alone."""
    made = make_project(tmp_path)
    yield made
    remove(made)
