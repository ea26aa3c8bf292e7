"""A release that is killed anywhere, and Git with it: the next run finishes it or undoes it."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from killing import changing, die_at
from project_files import git, write

from towline.config.loading import load
from towline.errors import Locked, TowlineError, UsageError
from towline.versions import release_commit
from towline.versions.version_state import examine

FILES = {
    "towline.yaml": "project: shop\nversions:\n  files: [VERSION, src/version.py]\n",
    "VERSION": "1.0.0\n",
    "src/version.py": '__version__ = "1.0.0"\n',
    "other.txt": "one\n",
}
SECTION = "## [1.1.0]"
RELEASE = """\
import sys, pathlib
from towline.config.loading import load
from towline.versions import release_commit
from towline.versions.version_state import examine
standing = examine(load(pathlib.Path(sys.argv[1])))
release_commit.carry_out(standing, release_commit.plan_release(standing), commit=True)
"""


@pytest.fixture
def root(tmp_path):
    """A repository that released 1.0.0 and has a feature since."""
    root = tmp_path / "shop"
    write(root, FILES)
    git(root, "init", "-q", "-b", "main", "--template=")
    (root / ".git/hooks").mkdir()
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "feat: start")
    git(root, "tag", "-a", "-m", "v1.0.0", "v1.0.0")
    write(root, {"search.py": ""})
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "feat(search): find by tag")
    return root


def plan(root):
    version_state = examine(load(root))
    return version_state, release_commit.plan_release(version_state)


def carry_out(root, planned=None):
    version_state, wanted = planned or plan(root)
    release_commit.carry_out(version_state, wanted, commit=True)


def again(root):
    """What `inv version.prepare-release --auto-commit` does."""
    reconciled = release_commit.recover(load(root))
    if reconciled is None or not reconciled.commit:
        version_state, wanted = plan(root)
        if not wanted.nothing_to_do:
            release_commit.carry_out(version_state, wanted, commit=True)


def check_released(root):
    """Working tree, index, commit and tag agree, and there is one of each."""
    assert git(root, "status", "--porcelain") == ""
    subjects = git(root, "log", "--format=%s").splitlines()
    assert subjects == ["chore(release): v1.1.0", "feat(search): find by tag", "feat: start"]
    assert git(root, "tag").split() == ["v1.0.0", "v1.1.0"]
    assert git(root, "rev-parse", "v1.1.0^{commit}") == git(root, "rev-parse", "HEAD")
    assert git(root, "show", "HEAD:VERSION") == "1.1.0\n"
    assert git(root, "show", "HEAD:CHANGELOG.md").count(SECTION) == 1
    assert (root / "CHANGELOG.md").read_text().count(SECTION) == 1
    assert "Find by tag" in git(root, "tag", "-l", "--format=%(contents)", "v1.1.0")
    assert not (root / ".git/towline/release.json").exists()


def untouched(root):
    """Files, branch, tags and index, where nothing was begun or everything was undone."""
    files = {
        path.relative_to(root): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }
    return files, git(root, "for-each-ref"), git(root, "ls-files", "--stage")


def the_next_commit_takes_nothing_back(root):
    """Whoever commits after a kill without a re-run must not commit the reversal of the release."""
    if git(root, "show", "HEAD:VERSION") == "1.1.0\n":
        assert git(root, "diff", "--cached", "--name-only") == ""


def copy_of(root, place):
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(root, place, symlinks=True)
    return place


def test_killed_at_every_step(root, tmp_path):
    place = copy_of(root, tmp_path / "copy")
    planned = plan(place)
    before = untouched(root)
    outcomes = []
    for step in range(1, 200):
        copy_of(root, place)
        through = die_at(changing(step), lambda: carry_out(place, planned))
        the_next_commit_takes_nothing_back(place)
        reconciled = release_commit.recover(load(place))
        if reconciled is not None and not reconciled.commit:
            assert git(place, "status", "--porcelain") == "", f"undone at step {step}"
            assert git(place, "tag").split() == ["v1.0.0"]
        outcomes.append(bool(reconciled and reconciled.commit))
        # What was undone is what it was: to release it each time over would show nothing new.
        if outcomes[-1] or through or step % 7 == 0:
            again(place)
            check_released(place)
        else:
            assert untouched(place) == before
        if through:
            break
    assert len(outcomes) > 20
    # Once the commit is there it is finished, never undone; the last run left nothing to settle.
    assert outcomes[:-1] == sorted(outcomes[:-1])
    assert sum(outcomes) > 2


@pytest.mark.parametrize("event", ["commit", "tag"])
def test_settling_is_killed_at_every_step_too(root, tmp_path, event):
    """On both sides of the point at which it lands."""
    before = untouched(root)
    planned = plan(root)
    assert not die_at(
        lambda name, words: name == "subprocess.Popen" and event in words[1],
        lambda: carry_out(root, planned),
    )
    place = tmp_path / "copy"
    for step in range(1, 60):
        copy_of(root, place)
        through = die_at(changing(step), lambda: release_commit.recover(load(place)))
        if event == "tag" or through or step % 7 == 0:
            again(place)
            check_released(place)
        else:
            release_commit.recover(load(place))
            assert untouched(place) == before
        if through:
            break
    assert step > 3


@pytest.mark.parametrize(
    ("hook", "state"),
    [
        ("pre-commit", ""),
        ("commit-msg", ""),
        ("reference-transaction", "prepared"),
        ("reference-transaction", "committed"),
        ("post-commit", ""),
    ],
)
@pytest.mark.parametrize("with_us", [False, True], ids=["git", "git-and-towline"])
def test_git_is_killed(root, hook, state, with_us):
    """SIGKILL runs no clean-up: Git leaves its own locks, which are named and not stepped over."""
    script = root / ".git/hooks" / hook
    ours = "kill -9 $(ps -o ppid= -p $PPID);" if with_us else ""
    when = f'[ "$1" = {state} ] || exit 0;' if state else ""
    script.write_text(f"#!/bin/sh\n{when} {ours} kill -9 $PPID\n")
    script.chmod(0o755)
    done = run_release(root)
    assert done.returncode == (-signal.SIGKILL if with_us else 1), done.stderr
    script.unlink()
    the_next_commit_takes_nothing_back(root)
    locks = [path for path in (root / ".git").rglob("*.lock") if path.name != "lock"]
    assert bool(locks) == (state == "prepared")
    while locks:
        with pytest.raises(UsageError, match=r"\.lock exists: another Git process") as caught:
            again(root)
        named = [path for path in locks if str(path) in caught.value.message]
        assert str(named[0]) in caught.value.remedy
        locks.remove(named[0])
        named[0].unlink()
    again(root)
    check_released(root)


@pytest.mark.parametrize("with_us", [False, True], ids=["git", "git-and-towline"])
def test_git_is_killed_while_it_stages(root, with_us):
    """Its lock on an index of ours is nobody else's, and is removed."""
    flag = root / ".git/kill-me"
    ours = "kill -9 $(ps -o ppid= -p $PPID);" if with_us else ""
    lock = root / ".git/towline/index.lock"
    kill = f"[ -e {flag} ] && [ -e {lock} ] && {{ {ours} kill -9 $PPID; }}; cat"
    git(root, "config", "filter.kill.clean", kill)
    (root / ".git/info").mkdir(exist_ok=True)
    (root / ".git/info/attributes").write_text("VERSION filter=kill\n")
    planned = plan(root)
    flag.touch()
    if with_us:
        assert run_release(root).returncode == -signal.SIGKILL
    else:
        with pytest.raises(TowlineError, match="git add failed"):
            carry_out(root, planned)
    assert lock.exists()
    flag.unlink()
    # The filter that Git started inherits the lock, and ends a moment after it.
    wait_for(lambda: not is_held(root))
    again(root)
    check_released(root)


@pytest.mark.parametrize("lock", ["index", "HEAD", "refs/heads/main", "refs/tags/v1.1.0"])
def test_a_stale_lock_is_refused_before_anything_is_done(root, lock):
    planned = plan(root)
    path = root / f".git/{lock}.lock"
    path.touch()
    before = {item: item.read_bytes() for item in root.glob("**/*") if item.is_file()}
    with pytest.raises(UsageError, match="nothing was changed") as caught:
        carry_out(root, planned)
    assert str(path) in caught.value.message
    assert f"rm {path}" in caught.value.remedy
    ours = root / ".git/towline/lock"
    after = {item: item.read_bytes() for item in root.glob("**/*") if item.is_file()}
    assert {item: text for item, text in after.items() if item != ours} == before
    path.unlink()
    carry_out(root, planned)
    check_released(root)


def test_a_lock_of_the_index_that_comes_meanwhile_undoes_everything(root, monkeypatch):
    planned = plan(root)
    lock = root / ".git/index.lock"
    write_files = release_commit.version_files.write

    def write_and_lock(changes):
        write_files(changes)
        lock.touch()

    with monkeypatch.context() as patch:
        patch.setattr(release_commit.version_files, "write", write_and_lock)
        with pytest.raises(UsageError, match=r"index\.lock exists"):
            carry_out(root, planned)
    lock.unlink()
    assert git(root, "status", "--porcelain") == ""
    again(root)
    check_released(root)


def test_git_goes_on_with_a_hook_after_we_were_killed(root):
    """Its commit lands later: until then nobody begins anew, and then it is finished."""
    started, goes_on = root / ".git/started", root / ".git/go-on"
    hook = root / ".git/hooks/pre-commit"
    hook.write_text(
        f"#!/bin/sh\ntouch {started}\n"
        f"for i in $(seq 2000); do [ -e {goes_on} ] && exit 0; sleep 0.05; done\nexit 1\n"
    )
    hook.chmod(0o755)
    child = subprocess.Popen([sys.executable, "-c", RELEASE, str(root)], start_new_session=True)
    wait_for(started.exists)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    with pytest.raises(Locked, match="another release or promotion is running"):
        again(root)
    goes_on.touch()
    wait_for(lambda: git(root, "log", "-1", "--format=%s").startswith("chore(release)"))
    wait_for(lambda: not is_held(root))
    again(root)
    check_released(root)


def run_release(root):
    return subprocess.run(
        [sys.executable, "-c", RELEASE, str(root)], capture_output=True, text=True, check=False
    )


def is_held(root):
    try:
        release_commit.recover(load(root))
    except Locked:
        return True
    return False


def test_a_commit_on_top_of_an_interrupted_release_leaves_the_tag_where_it_belongs(root):
    planned = plan(root)
    assert not die_at(
        lambda event, words: event == "subprocess.Popen" and "tag" in words[1],
        lambda: carry_out(root, planned),
    )
    released = git(root, "rev-parse", "HEAD")
    write(root, {"search.py": "more"})
    git(root, "commit", "-q", "-a", "-m", "fix: more")
    reconciled = release_commit.recover(load(root))
    assert reconciled.commit == released.strip()
    assert git(root, "rev-parse", "v1.1.0^{commit}") == released
    assert plan(root)[1].tag == "v1.1.1"
    assert git(root, "status", "--porcelain") == ""


def test_what_people_committed_of_an_interrupted_release_is_not_undone(root):
    planned = plan(root)
    assert not die_at(
        lambda event, words: event == "subprocess.Popen" and "commit" in words[1],
        lambda: carry_out(root, planned),
    )
    git(root, "commit", "-q", "-m", "chore: stamped", "VERSION")
    assert not release_commit.recover(load(root)).commit
    assert git(root, "status", "--porcelain") == ""
    assert (root / "VERSION").read_text() == "1.1.0\n"
    assert (root / "src/version.py").read_text() == '__version__ = "1.0.0"\n'
    again(root)
    assert git(root, "tag").split() == ["v1.0.0", "v1.1.0"]
    assert git(root, "status", "--porcelain") == ""


def test_a_hook_that_changes_what_is_committed(root):
    hook = root / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho formatted >> CHANGELOG.md; git add CHANGELOG.md\n")
    hook.chmod(0o755)
    carry_out(root)
    assert git(root, "show", "HEAD:CHANGELOG.md").endswith("formatted\n")
    check_released(root)


def test_a_tag_that_git_refuses_is_made_by_the_next_run(root):
    hook = root / ".git/hooks/reference-transaction"
    hook.write_text("#!/bin/sh\ngrep -q refs/tags/ && exit 1; exit 0\n")
    hook.chmod(0o755)
    with pytest.raises(TowlineError, match=r"the release commit .* is there, its tag is not"):
        carry_out(root)
    assert git(root, "status", "--porcelain") == ""
    hook.unlink()
    again(root)
    check_released(root)


def wait_for(is_so, seconds=90):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
