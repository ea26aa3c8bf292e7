"""Histories of real repositories: merges, reverts, tags, paths, shallow clones."""

from pathlib import Path

import pytest
from project_files import git, write

from towline.config.loading import load
from towline.errors import UsageError
from towline.git.convention import is_followed
from towline.git.log import read, touching
from towline.git.repository import open_repository
from towline.versions.version_state import examine


class Repo:
    """A repository that is told what to do in a line each."""

    def __init__(self, root: Path, settings: str = "") -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        git(root, "init", "-q", "-b", "main", "--template=")
        write(root, {"towline.yaml": f"project: shop\n{settings}"})
        git(root, "add", "-A")

    def commit(self, message: str, path: str = "file") -> str:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("a") as file:
            file.write(f"{message}\n")
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "--cleanup=verbatim", "-m", message)
        return git(self.root, "rev-parse", "HEAD").strip()

    def tag(self, *names: str, annotated: bool = False) -> None:
        for name in names:
            git(self.root, "tag", *(["-a", "-m", name] if annotated else []), name)

    def next(self, **rest: str) -> str:
        return self.decide(**rest).version

    def decide(self, *, branch: str = "", **rest: str):
        return examine(load(self.root), branch=branch).decide(**rest)

    def titles(self) -> list[str]:
        return [item.title for item in self.decide().changes]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo")


def test_a_commit_is_read_as_it_was_written(repo):
    first = repo.commit("feat: größer\n\nbody with\ttabs and 'quotes'\n\nRefs: #1\n")
    repo.tag("v1.0.0", "other", annotated=True)
    second = repo.commit("fix: x")
    history = read(open_repository(repo.root))
    newest, oldest = history[0], history[1]
    assert (newest.sha, newest.parents, newest.tags) == (second, (first,), ())
    assert oldest.message.rstrip("\n") == "feat: größer\n\nbody with\ttabs and 'quotes'\n\nRefs: #1"
    assert set(oldest.tags) == {"v1.0.0", "other"}
    assert oldest.author == "Ann"
    assert len(oldest.date) == 10
    assert [item.sha for item in history.since(first)] == [second]


def test_the_settings_of_a_persons_git_do_not_change_the_reading(repo):
    repo.commit("feat: a")
    repo.tag("v1.0.0")
    repo.commit("fix: b")
    for name, value in {"log.decorate": "no", "log.showSignature": "true", "color.ui": "always",
                        "log.date": "relative", "i18n.logOutputEncoding": "ISO-8859-1",
                        "log.follow": "true", "format.pretty": "oneline"}.items():  # fmt: skip
        git(repo.root, "config", name, value)
    assert repo.next() == "1.0.1"


def test_bytes_that_are_no_utf8_are_no_crash(repo):
    (repo.root / "message").write_bytes(b"fix: caf\xe9\n")
    git(repo.root, "config", "i18n.commitEncoding", "UTF-8")
    git(repo.root, "commit", "-q", "-F", "message")
    commit = read(open_repository(repo.root))[0]
    assert commit.message.startswith("fix: caf")
    commit.message.encode()


def test_the_highest_tag_wins_not_the_latest(repo):
    repo.commit("feat: a")
    repo.tag("v1.10.0")
    repo.commit("fix: b")
    repo.tag("v1.9.5")
    repo.commit("fix: c")
    assert repo.next() == "1.10.1"
    assert repo.titles() == ["fix: c", "fix: b"]


def test_only_full_versions_in_the_form_count(repo):
    repo.commit("feat: a")
    repo.tag("v1.0.0")
    repo.commit("fix: b")
    repo.tag("v10", "v1.0", "0.9.0", "shop-v3.0.0", "v1", "release")
    assert repo.next() == "1.0.1"


def test_tags_that_head_does_not_reach_do_not_count(repo):
    repo.commit("feat: a")
    repo.tag("v1.0.0")
    git(repo.root, "switch", "-q", "-c", "next")
    repo.commit("feat!: b")
    repo.tag("v2.0.0")
    git(repo.root, "switch", "-q", "main")
    repo.commit("fix: c")
    assert repo.next() == "1.0.1"
    git(repo.root, "merge", "-q", "--no-ff", "-m", "Merge branch 'next'", "next", "-X", "ours")
    assert repo.next() == "2.0.1"
    assert repo.titles() == ["fix: c"]


def test_both_sides_of_a_merge_count_once(repo):
    repo.commit("feat: a")
    repo.tag("v1.0.0")
    git(repo.root, "switch", "-q", "-c", "topic")
    repo.commit("feat: on the branch", "topic")
    git(repo.root, "switch", "-q", "main")
    repo.commit("fix: on main")
    git(repo.root, "merge", "-q", "--no-ff", "-m", "Merge branch 'topic'", "topic")
    assert repo.next() == "1.1.0"
    assert sorted(repo.titles()) == ["feat: on the branch", "fix: on main"]


def test_gits_own_reverts(repo):
    repo.commit("feat: a")
    repo.tag("v1.0.0")
    repo.commit("feat: b")
    repo.commit("fix: c", "other")
    git(repo.root, "revert", "--no-edit", "HEAD~1")
    assert repo.titles() == ["fix: c"]
    assert repo.next() == "1.0.1"
    git(repo.root, "revert", "--no-edit", "HEAD")
    assert repo.next() == "1.1.0"


def test_a_revert_of_what_was_released_is_a_fix(repo):
    repo.commit("feat: a")
    repo.commit("feat: b")
    repo.tag("v1.0.0")
    git(repo.root, "revert", "--no-edit", "HEAD")
    decision = repo.decide()
    assert decision.version == "1.0.1"
    assert [item.title for item in decision.reasons] == ["revert: b"]


def test_a_merged_branch_that_was_reverted_says_nothing(repo):
    repo.commit("chore: a")
    repo.tag("v1.0.0")
    git(repo.root, "switch", "-q", "-c", "topic")
    repo.commit("feat: b", "topic")
    git(repo.root, "switch", "-q", "main")
    git(repo.root, "merge", "-q", "--no-ff", "-m", "Merge branch 'topic'", "topic")
    git(repo.root, "revert", "--no-edit", "-m", "1", "HEAD")
    assert repo.titles() == []
    assert not repo.decide().is_new


def test_only_commits_that_touch_the_source_tree_count(tmp_path):
    repo = Repo(tmp_path / "repo", "source: app\n")
    repo.commit("feat: a", "app/a")
    repo.tag("v1.0.0")
    repo.commit("feat: of another part", "web/a")
    assert not repo.decide().is_new
    repo.commit("fix: b", "app/a")
    assert repo.next() == "1.0.1"
    write(
        repo.root, {"towline.yaml": "project: shop\nsource: app\nversions: {paths: [web, app]}\n"}
    )
    assert repo.next() == "1.1.0"


def test_a_merge_speaks_for_the_path_that_it_brought_in(tmp_path):
    repo = Repo(tmp_path / "repo", "source: app\n")
    repo.commit("feat: a", "app/a")
    repo.tag("v1.0.0")
    git(repo.root, "switch", "-q", "-c", "topic")
    repo.commit("wip", "app/b")
    git(repo.root, "switch", "-q", "main")
    repo.commit("docs: c", "web/c")
    git(repo.root, "merge", "-q", "--no-ff", "-m", "feat: the topic", "topic")
    assert repo.next() == "1.1.0"
    found = touching(open_repository(repo.root), "v1.0.0", [repo.root / "app"])
    assert len(found) == 2


def test_parts_of_a_monorepo_have_tags_of_their_own(tmp_path):
    repo = Repo(tmp_path / "repo")
    for part in ("api", "web"):
        settings = f"project: {part}\nversions: {{tag: '{part}-v{{version}}', paths: [.]}}\n"
        write(repo.root, {f"{part}/towline.yaml": settings})
    repo.commit("feat: a", "api/a")
    repo.tag("api-v1.0.0", "web-v2.0.0")
    repo.commit("feat: b", "api/b")
    repo.commit("fix: c", "web/c")
    assert examine(load(repo.root / "api")).decide().version == "1.1.0"
    assert examine(load(repo.root / "web")).decide().version == "2.0.1"


CHANNELS = "versions: {channels: {main: '', develop: beta, 'release/*': rc}}\n"


def test_branches_make_the_versions_of_their_channel(tmp_path, monkeypatch):
    repo = Repo(tmp_path / "repo", CHANNELS)
    repo.commit("feat: a")
    repo.tag("v1.0.0")
    git(repo.root, "switch", "-q", "-c", "develop")
    repo.commit("feat: b")
    assert repo.next() == "1.1.0-beta.1"
    assert repo.next(branch="main") == "1.1.0"
    assert repo.next(branch="release/1.1") == "1.1.0-rc.1"
    repo.tag("v1.1.0-beta.1")
    assert not repo.decide().is_new
    repo.commit("fix: c")
    assert repo.next() == "1.1.0-beta.2"
    git(repo.root, "switch", "-q", "main")
    git(repo.root, "merge", "-q", "develop")
    assert repo.next() == "1.1.0"

    git(repo.root, "switch", "-q", "-c", "topic")
    with pytest.raises(UsageError, match="the branch topic makes no versions"):
        repo.decide()
    git(repo.root, "switch", "-q", "--detach")
    for name in ("GITHUB_REF_TYPE", "GITHUB_REF_NAME", "GITHUB_HEAD_REF", "CI_COMMIT_BRANCH"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="HEAD is detached"):
        repo.decide()
    monkeypatch.setenv("GITHUB_REF_TYPE", "branch")
    monkeypatch.setenv("GITHUB_REF_NAME", "main")
    assert repo.next() == "1.1.0"


def test_a_misspelt_tag_above_the_last_version_stops(repo):
    repo.commit("feat: a")
    repo.tag("v1.0.0", "v1.1.0rc1")
    with pytest.raises(UsageError, match=r"v1\.1\.0rc1 looks like a version above 1\.0\.0"):
        repo.decide()


def test_repositories_that_tell_nothing(tmp_path, repo):
    with pytest.raises(UsageError, match="there is no commit yet"):
        repo.decide()
    write(tmp_path / "plain", {"towline.yaml": "project: shop\n"})
    with pytest.raises(UsageError, match="is in no Git repository"):
        examine(load(tmp_path / "plain"))
    repo.commit("feat: a")
    with pytest.raises(UsageError, match="no version to start from"):
        repo.decide()


def test_a_shallow_clone_is_explained(tmp_path, repo):
    repo.commit("feat: a")
    repo.tag("v1.0.0")
    repo.commit("feat: b")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{repo.root}", "shallow")
    with pytest.raises(UsageError, match="shallow clone") as caught:
        examine(load(tmp_path / "shallow"))
    assert "--unshallow" in caught.value.remedy
    assert "fetch-depth: 0" in caught.value.remedy


def test_segments_split_a_history_with_merges_at_its_releases(repo):
    repo.commit("feat: a")
    repo.tag("v1.0.0")
    git(repo.root, "switch", "-q", "-c", "topic")
    repo.commit("feat: b", "topic")
    git(repo.root, "switch", "-q", "main")
    repo.commit("fix: c")
    repo.tag("v1.0.1")
    git(repo.root, "merge", "-q", "--no-ff", "-m", "Merge branch 'topic'", "topic")
    repo.tag("v1.1.0")
    version_state = examine(load(repo.root))
    shas = [version_state.history.tags[tag] for tag in version_state.tags]
    found = [[item.subject for item in part] for part in version_state.history.segments(shas)]
    assert found == [["feat: a"], ["fix: c"], ["Merge branch 'topic'", "feat: b"]]


def test_a_team_follows_the_convention_when_most_of_its_commits_do(repo):
    assert not is_followed(repo.root)
    repo.commit("feat: a")
    assert is_followed(repo.root)
    repo.commit("update")
    assert not is_followed(repo.root)
    assert not is_followed(repo.root.parent)
