"""What was released is never released again, whatever tags a clone lacks or misspells."""

import pytest
from project_files import SETTINGS, git, write

from towline.config.loading import load
from towline.errors import UsageError
from towline.promotion.promotion import plan_promotion, promote
from towline.versions import release_commit
from towline.versions.version_state import examine


@pytest.fixture
def root(tmp_path):
    """A repository that released 1.0.0 and 1.1.0, with a feature since."""
    root = tmp_path / "shop"
    write(
        root,
        {"towline.yaml": "project: shop\nversions: {files: [VERSION]}\n", "VERSION": "1.0.0\n"},
    )
    git(root, "init", "-q", "-b", "main", "--template=")
    commit(root, "feat: start")
    git(root, "tag", "v1.0.0")
    commit(root, "feat: one", one="")
    assert release(root) == "v1.1.0"
    commit(root, "feat: two", two="")
    return root


def commit(root, message, **files):
    write(root, files)
    git(root, "add", "-A")
    git(root, "commit", "-q", "--allow-empty", "-m", message)


def release(root, **asked):
    version_state = examine(load(root))
    plan = release_commit.plan_release(version_state, **asked)
    if plan.nothing_to_do:
        return ""
    release_commit.check_remote(version_state, plan)
    release_commit.carry_out(version_state, plan, commit=True)
    return plan.tag


def clone(root, *options):
    place = root.parent / "clone"
    git(root.parent, "clone", "-q", *options, str(root), str(place))
    return place


def state(root):
    return git(root, "rev-parse", "HEAD"), git(root, "tag"), git(root, "status", "--porcelain")


def test_a_clone_without_tags_names_what_its_history_released(root):
    place = clone(root, "--no-tags")
    before = state(place)
    for ask in (
        lambda: release(place),
        lambda: release(place, version="1.1.0"),
        lambda: examine(load(place)).decide(),
    ):
        with pytest.raises(UsageError, match=r"released 1\.1\.0 .* no tag v1\.1\.0 here") as caught:
            ask()
        assert "git fetch origin --tags" in caught.value.remedy
    assert state(place) == before
    git(place, "fetch", "-q", "origin", "--tags")
    assert release(place) == "v1.2.0"


def test_a_clone_that_ends_with_the_release_commit_asks_the_remote(root):
    git(root, "reset", "-q", "--hard", "v1.1.0")
    place = clone(root, "--no-tags")
    before = state(place)
    with pytest.raises(UsageError, match=r"origin has the tag v1\.1\.0, which is not here"):
        release(place)
    assert state(place) == before
    git(place, "fetch", "-q", "origin", "--tags")
    assert release(place) == ""


def test_a_version_that_somebody_else_pushed_meanwhile(root):
    place = clone(root)
    assert release(root) == "v1.2.0"
    with pytest.raises(UsageError, match=r"origin has the tag v1\.2\.0"):
        release(place)
    # One above it is known to be free only when the tags are here.
    with pytest.raises(UsageError, match=r"origin has the tag v1\.2\.0"):
        release(place, version="1.1.5")
    assert release(place, version="1.3.0") == "v1.3.0"


def test_a_remote_that_does_not_answer_is_said(root):
    git(root, "remote", "add", "origin", str(root.parent / "gone"))
    version_state = examine(load(root))
    plan = release_commit.plan_release(version_state)
    said = release_commit.check_remote(version_state, plan)
    assert said.startswith("origin could not be asked for its tags: ")


@pytest.mark.parametrize("behind", ["", " (#12)", " [skip ci]", " (#12) [skip ci]"])
def test_release_commits_as_hosts_merge_them(root, behind):
    git(root, "tag", "-d", "v1.1.0")
    commit(root, f"chore(release): v1.2.0{behind}")
    commit(root, "fix: three")
    with pytest.raises(UsageError, match=r"released 1\.2\.0"):
        release(root)


def test_a_release_that_was_reverted_may_be_made_again(root):
    git(root, "tag", "-d", "v1.1.0")
    made = git(root, "rev-parse", "HEAD~1").strip()
    git(root, "revert", "--no-edit", made)
    assert release(root) == "v1.1.0"


def test_promotions_and_old_releases_without_a_tag_stop_nothing(root):
    commit(root, "chore(release): promote shop 9.0.0")
    commit(root, "chore(release): v0.9.0")
    commit(root, "chore(release): cleanup")
    assert release(root) == "v1.2.0"


def test_next_refuses_a_version_that_is_tagged_on_another_branch(root):
    git(root, "switch", "-q", "-c", "other", "v1.1.0")
    commit(root, "feat: other")
    git(root, "tag", "v1.2.0")
    git(root, "switch", "-q", "main")
    for ask in (lambda: examine(load(root)).decide(), lambda: release(root)):
        with pytest.raises(UsageError, match=r"v1\.2\.0 exists already, on a commit that HEAD"):
            ask()
    assert examine(load(root)).decide(version="1.3.0").version == "1.3.0"


@pytest.mark.parametrize(
    ("form", "tag", "remedy"),
    [
        ("v{version}", "1.2.3", 'versions.tag: "{version}"'),
        ("{version}", "v1.2.3", 'versions.tag: "v{version}"'),
        ("shop-v{version}", "shop-1.2.3", 'versions.tag: "shop-{version}"'),
        ("v{version}", "v3.9", "git tag -a v3.9.0 -m v3.9.0 'v3.9^{}'"),
        ("v{version}", "v1.3.0rc1", "versions.ignore_tags"),
    ],
)
@pytest.mark.parametrize("has_others", [False, True])
def test_a_tag_of_another_form_is_named(root, form, tag, remedy, has_others):
    git(root, "tag", "-d", "v1.0.0", "v1.1.0")
    git(root, "reset", "-q", "--hard", "HEAD~2")
    git(root, "tag", tag)
    if has_others:
        git(root, "tag", form.replace("{version}", "1.0.0"))
    settings = f"project: shop\nversions: {{tag: '{form}', files: [VERSION]}}\n"
    commit(root, "feat: two", **{"towline.yaml": settings})
    for ask in (lambda: examine(load(root)).decide(), lambda: release(root)):
        with pytest.raises(UsageError, match=f"the tag {tag} looks like a version above") as caught:
            ask()
        assert remedy in caught.value.remedy
    ignoring = settings.replace("files:", f"ignore_tags: ['{tag}'], files:")
    commit(root, "feat: three", **{"towline.yaml": ignoring})
    assert examine(load(root)).decide().version == ("1.1.0" if has_others else "1.0.0")


def test_tags_of_any_other_form_are_named_where_nothing_else_tells(root):
    git(root, "tag", "-d", "v1.0.0", "v1.1.0")
    git(root, "reset", "-q", "--hard", "HEAD~2")
    for tag in ("release-1.2.3", "web-v2.0.0", "nightly"):
        git(root, "tag", tag)
    commit(root, "feat: two", **{"towline.yaml": "project: shop\n"})
    with pytest.raises(UsageError, match=r"such as release-1\.2\.3, web-v2\.0\.0") as caught:
        examine(load(root)).decide()
    assert "versions.tag" in caught.value.remedy
    commit(root, "feat: three", **{"towline.yaml": "project: shop\nversions: {first: 0.1.0}\n"})
    decision = examine(load(root)).decide()
    assert decision.version == "0.1.0"
    assert decision.why.endswith("do not count, such as release-1.2.3, web-v2.0.0")


def test_paths_that_match_nothing_are_refused(root):
    text = "project: shop\nversions: {{paths: [{}], files: [VERSION]}}\n"
    write(root, {"web/shop/a.py": ""})
    commit(root, "feat: three", **{"towline.yaml": text.format("web/shop")})
    assert examine(load(root)).decide().version == "1.2.0"
    for name, said in (("web/shpo", r"did you mean web/shop\?"), ("../web", "is outside")):
        write(root, {"towline.yaml": text.format(name)})
        with pytest.raises(UsageError, match=said) as caught:
            examine(load(root)).decide()
        assert name in caught.value.message
        assert caught.value.remedy
    # What was there once counts for what it was.
    git(root, "rm", "-q", "-r", "web")
    commit(root, "fix: no web", **{"towline.yaml": text.format("web/shop")})
    assert examine(load(root)).decide().version == "1.2.0"


# Promotion and `inv version.next` agree.


@pytest.fixture
def never(folder):
    """A project in Git that was never promoted, without a version in its files."""
    git(folder, "init", "-q", "-b", "main", "--template=")
    settings = SETTINGS.replace("  version_files: [pyproject.toml, src/shop/__init__.py]\n", "")
    commit(folder, "feat: start", **{"towline.yaml": settings})
    return folder


def next_version(root):
    return examine(load(root)).decide().version


def test_the_first_promotion_goes_by_the_tags(never):
    git(never, "tag", "v3.8.2")
    assert plan_promotion(load(never)).version == "3.8.2"
    commit(never, "feat: two", **{"app/src/shop/main.py": "two"})
    assert plan_promotion(load(never)).version == next_version(never) == "3.9.0"
    git(never, "tag", "v3.9")
    for ask in (lambda: plan_promotion(load(never)), lambda: next_version(never)):
        with pytest.raises(UsageError, match=r"the tag v3\.9 looks like a version above 3\.8\.2"):
            ask()
    assert plan_promotion(load(never), version="4.0.0").version == "4.0.0"


def test_a_version_that_was_tagged_since_the_last_promotion_counts(never):
    git(never, "tag", "v1.0.0")
    promote(load(never), plan_promotion(load(never)))
    commit(never, "feat: two", **{"app/src/shop/main.py": "two"})
    assert plan_promotion(load(never)).version == next_version(never) == "1.1.0"
    git(never, "tag", "v1.1.0")
    assert plan_promotion(load(never)).version == "1.1.0"
    commit(never, "fix: three", **{"app/src/shop/main.py": "three"})
    assert plan_promotion(load(never)).version == next_version(never) == "1.1.1"
    assert plan_promotion(load(never), bump="minor").version == "1.2.0"
    write(never, {"app/src/shop/main.py": "four"})
    assert plan_promotion(load(never), allow_dirty=True).version == "1.1.1"


def test_the_first_promotion_without_any_tag(never):
    assert plan_promotion(load(never)).version == "0.1.0"
    git(never, "tag", "1.2.3")
    with pytest.raises(UsageError, match=r"the tag 1\.2\.3 .* has not the form v\{version\}"):
        plan_promotion(load(never))


def test_nothing_is_asked_of_a_remote_that_is_an_option(root):
    settings = (
        "project: shop\nversions: {files: [VERSION]}\npromote: {remote: --upload-pack=touch x}\n"
    )
    commit(root, "feat: three", **{"towline.yaml": settings})
    assert release(root) == "v1.2.0"
    assert not (root / "x").exists()
