"""Tests that fail in a run of several processes, and pass or fail again by themselves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

QUICK = {
    "PYTHONPATH": str(Path(__file__).parents[1]),
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "COVERAGE_PROCESS_CONFIG": "",
}
CONFTEST = """
from alone import Alone
def pytest_addoption(parser):
    parser.addoption("--retry-alone", action="store_true")
def pytest_configure(config):
    if config.getoption("--retry-alone") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Alone(config))
"""
# It fails on the processes of xdist, so that it passes alone.
FLAKY = """
import os
def test_flaky():
    assert "PYTEST_XDIST_WORKER" not in os.environ, "too busy"
"""
BAD = "def test_bad():\n    assert not 'good'\n"
GOOD = "def test_good():\n    pass\n"


@pytest.fixture
def run(tmp_path):
    def run_it(**files):
        (tmp_path / "conftest.py").write_text(CONFTEST)
        for name, text in files.items():
            file = tmp_path / name.replace("__", "/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.with_suffix(".py").write_text(text)
        environ = {name: text for name, text in os.environ.items() if "XDIST" not in name}
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--retry-alone", "--numprocesses", "1",
             "-p", "no:cacheprovider", "-p", "xdist", "."],
            cwd=tmp_path,
            env=environ | QUICK,
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip

    return run_it


def test_what_passes_alone_is_flaky_and_fails_nothing(run):
    done = run(tests__unit__test_a=FLAKY + GOOD)
    assert done.returncode == 0, done.stdout
    assert "failed in parallel, passed alone: tests/unit/test_a.py::test_flaky" in done.stdout
    assert "too busy" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("2 passed, 1 flaky in ")


def test_what_fails_again_fails_the_run(run):
    done = run(tests__unit__test_a=FLAKY, tests__unit__test_b=BAD)
    assert done.returncode == 1
    assert "failed in parallel, passed alone: tests/unit/test_a.py::test_flaky" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 failed, 1 passed, 1 flaky in ")


def test_where_tests_build_on_each_other_the_file_runs_again(run):
    building = """
import os
made = []
def test_first():
    made.append("here")
def test_second():
    assert made and "PYTEST_XDIST_WORKER" not in os.environ
"""
    done = run(tests__integration__test_a=building)
    assert done.returncode == 0, done.stdout
    assert "again, alone: tests/integration/test_a.py\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("2 passed, 1 flaky in ")


def test_a_fixture_that_fails_is_tried_again_too(run):
    fixture = FLAKY.replace("def test_flaky", "import pytest\n@pytest.fixture\ndef made")
    done = run(tests__unit__test_a=f"{fixture}def test_it(made):\n    pass\n")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 passed, 1 flaky in ")


def test_many_failures_are_not_a_matter_of_chance(run):
    many = "".join(FLAKY.replace("test_flaky", f"test_{number}") for number in range(6))
    done = run(tests__unit__test_a=many)
    assert done.returncode == 1
    assert "6 tests failed: too many to run them again alone" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("6 failed in ")


def test_where_all_is_well_nothing_is_said(run):
    done = run(tests__unit__test_a=GOOD)
    assert done.returncode == 0
    assert "alone" not in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 passed in ")
