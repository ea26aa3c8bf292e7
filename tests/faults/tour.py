"""A tour of kills: a deployer is killed at point after point, and each time somebody ends it.

The points are the entries of its journal, right before and right after each; they are counted, so
a step that is added later is covered without an edit here. What an operation leaves is where the
next one begins: after a deploy that was resumed a rollback is killed, and so on. Two projects share
the points, in a file each, so that two of the processes that run the tests take half of them.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from projects import UNMEASURED, Project

KILLER = Path(__file__).parent / "killer.py"
NEVER = 999
OLD, NEW = "1.0.0", "1.1.0"
# By its version, because a rollback holds other deploys back.
COMMANDS = {
    "deploy": ("deploy", "--version", NEW, "--skip-check"),
    "rollback": ("rollback", "--version", OLD, "--auto-approve", "--reason", "test"),
}


def half(number: int, *, stride: int = 1) -> slice:
    """Every second point of each so-manieth, from the first (0) or the second (1) of them."""
    return slice(number * stride, None, 2 * stride)


def begin(project: Project, promote: Callable[[str], object]) -> None:
    """OLD is live, NEW is there and stopped."""
    for version in (OLD, NEW):
        promote(version)
        project.inv("deploy").ok()
    project.inv("rollback", "--auto-approve").ok()


@dataclass
class Tour:
    """A project whose deployer is killed.

    Attributes:
        events: What the entries of its journal are, in their order.
        serving: What users get, one version for each host; it fails when a host has several.
        lost: What became of the load so far; it fails when something was lost.
        entries: How many entries each operation writes.
    """

    project: Project
    events: Callable[[], list[str]]
    serving: Callable[[], list[str]]
    lost: Callable[[], object]
    entries: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        # Who is killed writes no coverage, and the others would only be slower for it.
        self.project.environ |= UNMEASURED

    def points(self, name: str, of: slice) -> list[tuple[str, int]]:
        """Some of the places where an operation can be killed; it is carried out once.

        Before an intention is after the entry before it: nothing happens between the two.
        """
        before = len(self.events())
        assert self.killed(name, "after", NEVER) == 0
        written = self.events()[before:]
        assert written.count("intent") == written.count("outcome") >= 4, written
        self.entries[name] = len(written)
        every = [("before", 1)]
        for number, event in enumerate(written, start=1):
            every += [("before", number)] if event in ("outcome", "end") else []
            every.append(("after", number))
        return every[of]

    def killed(self, name: str, when: str, number: int) -> int:
        """Carry an operation out until it is killed at an entry; returns the exit code."""
        said = self.project.python(KILLER, when, number, 60, *COMMANDS[name], timeout=200)
        assert said.code in (0, -signal.SIGKILL), said.text
        return said.code

    def run(self, of: slice) -> int:
        """From OLD over these points back to OLD or NEW; returns how many were interruptions."""
        left = {name: self.points(name, of) for name in COMMANDS}
        live, turn, interrupted = OLD, 0, 0
        while any(left.values()):
            name, end = ("deploy", NEW) if live == OLD else ("rollback", OLD)
            if not left[name]:
                self.project.inv(*COMMANDS[name]).ok()
                live = end
                continue
            where = left[name].pop(0)
            code = self.killed(name, *where)
            print(name, *where, "resume" if turn % 2 == 0 else "abort", flush=True)
            status = self.healthy({OLD, NEW})
            if status["interrupted"]:
                interrupted += 1
                resume = turn % 2 == 0
                self._choose(resume=resume, refused=turn % 8 < 2)
                live = end if resume else live
                status = self.healthy({live})
                assert status["interrupted"] is None, (name, where)
            else:
                # Before its first entry nothing was done, and after its last one all.
                assert where in (("before", 1), ("after", self.entries[name])), (name, where, code)
                live = status["versions"][0]
            self.lost()
            turn += 1
        assert "the chain is whole" in self.project.inv("history", "--verify").ok().out
        return interrupted

    def healthy(self, wanted: set[str]) -> dict:
        """The status, when each host serves one of these versions and the lock is free."""
        found = set(self.serving())
        said = self.project.inv("status", "--json")
        status = said.json
        assert said.code == (len(found) > 1), said.text
        assert found <= wanted
        assert status["lock"] is None
        # Two versions at once are said.
        assert sorted(found) == sorted(status["versions"])
        assert len(found) == 1 or status["interrupted"]
        return status

    def _choose(self, *, resume: bool, refused: bool) -> None:
        """Somebody ends what was interrupted; nothing new begins before that."""
        if refused:
            said = self.project.inv("deploy", "--version", NEW, "--skip-check")
            assert said.code == 3, said.text
            assert "was interrupted at step" in said.err
        self.project.inv("deploy.resume" if resume else "deploy.abort").ok()
