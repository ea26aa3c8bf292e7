"""`--retry-alone`: what failed while several processes ran tests runs once more, by itself.

A test that fails then fails the run. One that passes is flaky: it counts as passed, and a section
at the end names it and shows how it failed first. More failures than a few are not run again: they
have another reason than a busy machine.
"""

import subprocess
import sys
from collections import defaultdict

import pytest

MOST = 5


class Alone:
    """Runs failed tests again, on the process that hears of all of them."""

    def __init__(self, config):
        self._config = config
        self._flaky = []

    # Inside the wrapper of pytest-cov, which adds up after this what the second runs measured.
    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self, session):
        result = yield
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        bad = [*terminal.stats.get("failed", ()), *terminal.stats.get("error", ())]
        tests = list(dict.fromkeys(report.nodeid for report in bad))
        if not tests:
            return result
        terminal.write_line("")
        if len(tests) > MOST:
            terminal.write_line(f"{len(tests)} tests failed: too many to run them again alone")
            return result
        again = set()
        for asked, judged in groups(tests).items():
            terminal.write_line(f"again, alone: {' '.join(asked)}")
            said = run(asked)
            if said.returncode:
                terminal.write(said.stdout)
            else:
                again.update(judged)
        for kind in ("failed", "error"):
            of_kind = terminal.stats.pop(kind, [])
            self._flaky += [report for report in of_kind if report.nodeid in again]
            left = [report for report in of_kind if report.nodeid not in again]
            if left:
                terminal.stats[kind] = left
        session.testsfailed = len([test for test in tests if test not in again])
        if self._flaky:
            count_as_passed(terminal, self._flaky)
        return result

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter):
        """Say what was flaky, and how."""
        if not self._flaky:
            return
        terminalreporter.section("failed in parallel, passed alone", yellow=True)
        for report in self._flaky:
            terminalreporter.write_line(report.longreprtext)
        terminalreporter.write_line("")
        for name in dict.fromkeys(report.nodeid for report in self._flaky):
            terminalreporter.write_line(f"failed in parallel, passed alone: {name}")


def groups(tests):
    """What to ask pytest for, to run each of these again, and which of them that is about.

    Unit tests stand by themselves. Those of another file run in their order, on one environment:
    it takes the whole file to run one of them.
    """
    found = defaultdict(list)
    for name in tests:
        file = name.partition("::")[0]
        found[(name,) if "/unit/" in file else (file,)].append(name)
    return found


def run(asked):
    """Run tests in a process of their own, one after the other."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *asked],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def count_as_passed(terminal, reports):
    """Correct the closing line: all that passed, and how many of them are flaky."""
    passed = {report.nodeid for report in terminal.stats.get("passed", ())}
    one_each = {report.nodeid: report for report in reports}
    new = [report for name, report in one_each.items() if name not in passed]
    terminal.stats.setdefault("passed", []).extend(new)
    terminal.stats["flaky"] = list(one_each.values())
    # It knew of the failures when it chose its slot.
    terminal._set_main_color()
