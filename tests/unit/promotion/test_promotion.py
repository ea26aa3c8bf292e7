import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project_files import SETTINGS, git, write

from towline.config.loading import load
from towline.errors import CheckFailed, Locked, TowlineError, UsageError
from towline.promotion import manifest as manifests
from towline.promotion import swap as swaps
from towline.promotion.promotion import plan_promotion, promote, recover


def run(project, **options):
    running = {key: options.pop(key) for key in ("run_tests", "commit") if key in options}
    return promote(project, plan_promotion(project, **options), **running)


def snapshot(folder):
    """Everything below a folder, but for Git's own: path -> content, mode, inode."""
    return {
        path.relative_to(folder).as_posix(): (
            str(path.readlink()) if path.is_symlink() else path.is_file() and path.read_bytes(),
            path.lstat().st_mode,
            path.lstat().st_ino,
        )
        for path in folder.rglob("*")
        if ".git" not in path.relative_to(folder).parts
    }


def change_settings(project, old, new):
    assert old in SETTINGS
    (project.root / "towline.yaml").write_text(SETTINGS.replace(old, new))
    git(project.root, "commit", "-qam", "chore: settings")
    return load(project.root)


def test_the_first_promotion(project):
    head = git(project.root, "rev-parse", "HEAD").strip()
    done = run(project)
    tree = project.deploy_tree
    assert (done.version, done.previous) == ("1.0.0", "")
    assert (tree / "src/shop/main.py").read_text() == "print('one')\n"
    assert (tree / "requirements.txt").read_text() == "fastapi\n"
    assert (tree / "tests/e2e/test_all.py").is_file()
    assert not (tree / "tests/unit").exists()
    assert (tree / "src/link.py").readlink() == Path("shop/main.py")
    assert (tree / "src/run").stat().st_mode & 0o777 == 0o755
    assert (tree / "src/shop/main.py").stat().st_mode & 0o777 == 0o644
    made = manifests.read(tree)
    assert manifests.verify(tree, made) == []
    assert made == done.manifest
    assert (made.commit, made.dirty, made.promoted_by) == (head, False, "Ann")
    path = "src/migrations/0001_start.py"
    assert made.migrations == {path: made.files[path].sha256}
    assert made.source_paths == ("generated", "requirements.txt", "src", "tests/e2e")
    assert "docker/compose.yml" in made.files


def test_the_commit_holds_the_promotion_and_nothing_else(project):
    write(project.root, {"notes.md": "mine", "other.md": "staged"})
    git(project.root, "add", "other.md")
    done = run(project, version="1.1.0")
    assert git(project.root, "rev-parse", "HEAD").strip() == done.commit
    shown = git(project.root, "show", "--name-only", "--format=%s%n%an <%ae>", "HEAD").split("\n")
    assert shown[:2] == ["chore(release): promote shop 1.1.0", "Ann <ann@example.org>"]
    names = {name for name in shown[3:] if name}
    assert {"app/pyproject.toml", "app/src/shop/__init__.py", "deploy/release.json"} <= names
    assert all(name.startswith(("app/", "deploy/")) for name in names)
    assert git(project.root, "status", "--porcelain") == "A  other.md\n?? notes.md\n"


def test_nothing_changed_is_nothing_to_do(project):
    run(project)
    before, head = snapshot(project.root), git(project.root, "rev-parse", "HEAD")
    plan = plan_promotion(project)
    assert plan.nothing_to_do
    assert plan.lines() == ["nothing to promote: deploy/ is shop 1.0.0 already"]
    done = promote(project, plan)
    assert (done.version, done.commit, bool(done.difference)) == ("1.0.0", "", False)
    assert snapshot(project.root) == before
    assert git(project.root, "rev-parse", "HEAD") == head


def test_a_change_bumps_the_patch_and_stamps_it(project, commit):
    run(project)
    untouched = (project.deploy_tree / "tests/e2e/test_all.py").stat().st_ino
    same = (project.deploy_tree / "src/run").stat().st_ino
    (project.source_tree / "src/shop/old.py").unlink()
    commit(**{"app/src/shop/main.py": "print('two')\n", "app/src/shop/new.py": ""})
    plan = plan_promotion(project)
    assert plan.lines() == [
        "promote shop 1.0.0 -> 1.0.1: 1 change bumps the patch part",
        "stamp 1.0.1 in pyproject.toml",
        "stamp 1.0.1 in src/shop/__init__.py",
        "copy src -> deploy/src: 2 changed, 1 added, 1 removed",
        "copy requirements.txt -> deploy/requirements.txt: 0 changed, 0 added, 0 removed",
        "copy tests/e2e -> deploy/tests/e2e: 0 changed, 0 added, 0 removed",
        "generate deploy/generated: 1 changed, 0 added, 0 removed",
        "write deploy/release.json",
        "commit: chore(release): promote shop 1.0.1",
    ]
    done = promote(project, plan)
    assert done.difference.added == ("src/shop/new.py",)
    assert done.difference.changed == (
        "generated/release.env",
        "src/shop/__init__.py",
        "src/shop/main.py",
    )
    assert done.difference.removed == ("src/shop/old.py",)
    tree = project.deploy_tree
    assert not (tree / "src/shop/old.py").exists()
    assert '"1.0.1"' in (tree / "src/shop/__init__.py").read_text()
    assert '"1.0.1"' in (project.source_tree / "src/shop/__init__.py").read_text()
    assert 'version = "1.0.1"  # stamped' in (project.source_tree / "pyproject.toml").read_text()
    # What did not change was not written again.
    assert (tree / "tests/e2e/test_all.py").stat().st_ino == untouched
    assert (tree / "src/run").stat().st_ino == same
    assert swaps.leftovers(tree) == []
    assert git(project.root, "status", "--porcelain") == ""
    assert plan_promotion(project).nothing_to_do


def test_what_is_derived_tells_version_and_secrets(project, commit):
    commit(
        **{
            "deploy/docker/docker-compose.prod.yml": "${DB_PASSWORD:?} $API_TOKEN $${A_KEY} $X",
            "deploy/docker/.env.prod.example": "MAIL_SECRET=change-me\nPORT=80\n",
        }
    )
    run(project)
    tree = project.deploy_tree
    assert "TOWLINE_VERSION=1.0.0\n" in (tree / "generated/release.env").read_text()
    named = (tree / "generated/secrets.example").read_text().splitlines()[1:]
    assert named == ["API_TOKEN=", "DB_PASSWORD=", "MAIL_SECRET="]


def test_planning_touches_nothing(project):
    before = snapshot(project.root)
    plan_promotion(project, version="3.0.0")
    assert snapshot(project.root) == before


def test_a_version_written_by_hand_wins(project, commit):
    run(project)
    commit(
        **{
            "app/pyproject.toml": '[project]\nversion = "2.0.0"\n',
            "app/src/shop/__init__.py": '__version__ = "2.0.0"\n',
        }
    )
    assert run(project).version == "2.0.0"


def test_files_that_people_own_may_change(project):
    run(project)
    write(project.root, {"deploy/docker/compose.yml": "services: {web: {}}\n"})
    write(project.root, {"deploy/docker/.env.prod": "SECRET=1\n", "deploy/docs/READ.md": "x"})
    plan = plan_promotion(project)
    assert "record the files of your own in deploy/: 1 changed, 1 added, 0 removed" in plan.lines()
    assert promote(project, plan).version == "1.0.1"
    made = manifests.read(project.deploy_tree)
    assert "docs/READ.md" in made.files
    assert "docker/.env.prod" not in made.files
    assert manifests.verify(project.deploy_tree, made) == []


def test_host_files_in_promoted_folders_stay(project, commit):
    run(project)
    write(project.root, {"deploy/src/.env": "SECRET=1\n", "deploy/src/__pycache__/a.pyc": ""})
    commit(**{"app/src/shop/main.py": "print('two')\n"})
    run(project)
    assert (project.deploy_tree / "src/.env").read_text() == "SECRET=1\n"
    assert not (project.deploy_tree / "src/__pycache__").exists()


def test_ignored_and_excluded_files_stay_behind(project, commit):
    write(project.root, {"app/src/key.secret": "x", "app/src/.env": "x", "app/src/.env.prod": "x"})
    write(project.root, {"app/src/__pycache__/a.pyc": "x"})
    (project.root / "towline.yaml").write_text(
        SETTINGS + '  exclude: ["*.md", "/src/drafts/", "!keep.md"]\n'
    )
    commit(**{"app/src/notes.md": "", "app/src/keep.md": "", "app/src/drafts/a.py": ""})
    run(load(project.root))
    copied = {path.name for path in (project.deploy_tree / "src").rglob("*")}
    assert "keep.md" in copied
    assert copied.isdisjoint({"key.secret", ".env", ".env.prod", "notes.md", "drafts", "a.pyc"})


def test_modes_and_kinds_follow_the_source(project, commit):
    run(project)
    src = project.source_tree / "src"
    (src / "run").chmod(0o644)
    (src / "link.py").unlink()
    (src / "shop/old.py").unlink()
    (src / "link.py").write_text("now a file")
    (project.source_tree / "requirements.txt").unlink()
    commit(**{"app/src/shop/old.py/now_a_folder.py": "", "app/requirements.txt/base.txt": "x\n"})
    run(project)
    tree = project.deploy_tree
    assert (tree / "src/run").stat().st_mode & 0o777 == 0o644
    assert (tree / "src/link.py").read_text() == "now a file"
    assert not (tree / "src/link.py").is_symlink()
    assert (tree / "src/shop/old.py/now_a_folder.py").is_file()
    assert (tree / "requirements.txt/base.txt").is_file()
    assert manifests.verify(tree, manifests.read(tree)) == []


class TestRefusals:
    """Each refusal says what, where and what to do, and changes nothing."""

    @pytest.fixture(autouse=True)
    def _promoted_once(self, project):
        run(project)

    def refuse(self, project, kind, message, remedy, **options):
        before, head = snapshot(project.root), git(project.root, "rev-parse", "HEAD")
        with pytest.raises(kind, match=message) as caught:
            run(project, **options)
        assert remedy in caught.value.remedy
        assert snapshot(project.root) == before
        assert git(project.root, "rev-parse", "HEAD") == head
        return caught.value

    def test_uncommitted_changes(self, project):
        write(project.root, {"app/src/shop/main.py": "print('two')\n", "app/src/new.py": ""})
        error = self.refuse(project, UsageError, "2 uncommitted changes", "--allow-dirty")
        assert set(error.details) == {"app/src/shop/main.py", "app/src/new.py"}
        plan = plan_promotion(project, allow_dirty=True)
        assert "2 uncommitted changes are promoted" in plan.lines()[-1]
        assert promote(project, plan).manifest.dirty
        assert (project.deploy_tree / "src/new.py").exists()

    def test_an_uncommitted_version_file(self, project):
        with (project.source_tree / "pyproject.toml").open("a") as file:
            file.write("# more\n")
        self.refuse(project, UsageError, "app/pyproject.toml", "git commit")

    def test_what_is_not_copied_may_be_untracked(self, project):
        write(project.root, {"app/scratch.txt": "", "elsewhere.txt": ""})
        assert plan_promotion(project).nothing_to_do

    @pytest.mark.parametrize(
        "touch",
        [
            lambda tree: (tree / "src/shop/main.py").write_text("hot fix"),
            lambda tree: (tree / "src/shop/main.py").unlink(),
            lambda tree: (tree / "src/shop/more.py").write_text(""),
            lambda tree: (tree / "src/run").chmod(0o644),
        ],
    )
    def test_promoted_files_changed_by_hand(self, project, touch):
        touch(project.deploy_tree)
        self.refuse(project, CheckFailed, "changed in deploy/ itself", "inv promote.backport")

    def test_a_committed_change_by_hand(self, project, commit):
        commit(**{"deploy/src/shop/main.py": "hot fix", "app/src/shop/new.py": ""})
        self.refuse(project, CheckFailed, "deploy/src/shop/main.py", "into the source tree")

    def test_a_change_by_hand_that_the_source_has_too_is_fine(self, project, commit):
        commit(**{"deploy/src/shop/main.py": "hot fix", "app/src/shop/main.py": "hot fix"})
        assert run(project).version == "1.0.1"

    def test_a_new_entry_spares_what_lies_there_uncommitted(self, project, commit):
        changed = SETTINGS.replace("src: src,", "src: src, extra: extra,")
        commit(**{"towline.yaml": changed, "app/extra/a.txt": "ours"})
        write(project.root, {"deploy/extra/a.txt": "mine"})
        project = load(project.root)
        self.refuse(project, CheckFailed, "deploy/extra/a.txt", "git commit deploy/")

    def test_a_version_that_is_not_higher(self, project, commit):
        commit(**{"app/src/shop/main.py": "print('two')\n"})
        self.refuse(
            project, UsageError, "1.0.0 is not higher than 1.0.0", "above 1.0.0", version="1.0.0"
        )

    def test_a_version_that_is_none(self, project):
        self.refuse(project, UsageError, "'1.2' is not a semantic", "such as 1.2.0", version="1.2")

    def test_version_files_that_disagree(self, project, commit):
        commit(**{"app/pyproject.toml": '[project]\nversion = "1.5.0"\n'})
        self.refuse(project, UsageError, "1.5.0 and .* has 1.0.0", "--version")
        assert run(project, version="1.5.0").version == "1.5.0"

    def test_failing_tests(self, project):
        project = change_settings(
            project, "promote:", "promote:\n  test: python -c 'exit(\"no!\")'"
        )
        write(project.root, {"deploy/docs/x.md": "x"})
        error = self.refuse(project, CheckFailed, "the tests failed: .* ended with 1", "fix what")
        assert error.details == ("no!",)
        assert run(project, run_tests=False).version == "1.0.1"

    def test_a_test_command_that_does_not_exist(self, project):
        project = change_settings(project, "promote:", "promote:\n  test: no-such-program -q")
        write(project.root, {"deploy/docs/x.md": "x"})
        self.refuse(project, UsageError, "`no-such-program -q` cannot be run", "promote.test")

    def test_tests_that_change_the_source(self, project):
        project = change_settings(
            project,
            "promote:",
            "promote:\n  test: [python, -c, \"open('src/shop/main.py', 'w').write('x')\"]",
        )
        write(project.root, {"app/src/shop/main.py": "print('two')\n"})
        git(project.root, "commit", "-qam", "fix: two")
        with pytest.raises(CheckFailed, match=r"shop/main\.py was changed while"):
            run(project)
        assert manifests.verify(project.deploy_tree, manifests.read(project.deploy_tree)) == []
        assert manifests.read(project.deploy_tree).version == "1.0.0"

    def test_a_link_out_of_the_tree(self, project):
        (project.source_tree / "src/out.py").symlink_to("../../towline.yaml")
        git(project.root, "add", "-A")
        git(project.root, "commit", "-qm", "feat: link")
        self.refuse(project, UsageError, "points outside the deploy tree", "promote.exclude")

    @pytest.mark.parametrize("chain", [False, True])
    def test_a_link_whose_real_end_is_outside(self, project, tmp_path, chain):
        """S19: a private key was shipped that way; a chain's words stay in the tree."""
        key = tmp_path / "home/id_ed25519"
        write(tmp_path, {"home/id_ed25519": "PRIVATE"})
        docs = project.deploy_tree / "docs"
        docs.mkdir(exist_ok=True)
        if chain:
            (docs / "away").symlink_to(key.parent)
            (docs / "key").symlink_to("away/id_ed25519")
        else:
            (docs / "key").symlink_to(key)
        self.refuse(project, UsageError, "points outside the deploy tree", "by the file itself")

    def test_a_chain_of_links_in_the_source(self, project, tmp_path):
        write(tmp_path, {"home/id_ed25519": "PRIVATE"})
        (project.source_tree / "src/sub").symlink_to(tmp_path / "home")
        (project.source_tree / "src/key").symlink_to("sub/id_ed25519")
        (project.root / ".gitignore").write_text("sub\n")
        git(project.root, "add", "-A")
        git(project.root, "commit", "-qm", "feat: link")
        self.refuse(project, UsageError, "points outside the deploy tree", "promote.exclude")

    def test_a_link_to_a_key_of_the_host(self, project):
        write(project.deploy_tree, {"security/ssl/privkey.pem": "PRIVATE"})
        (project.deploy_tree / "docs").mkdir(exist_ok=True)
        (project.deploy_tree / "docs/key").symlink_to("../security/ssl/privkey.pem")
        self.refuse(project, UsageError, "a key or secret that is in no release", "remove the link")

    def test_another_promotion_at_work(self, project):
        write(project.root, {"deploy/docs/x.md": "x"})
        with swaps.locked(project.deploy_tree):
            self.refuse(project, Locked, "another promotion", "wait")

    def test_a_hook_that_says_no(self, project, commit):
        commit(**{"app/src/shop/main.py": "print('two')\n"})
        hook = project.root / ".git/hooks/pre-commit"
        hook.parent.mkdir()
        hook.write_text("#!/bin/sh\necho 'no, says the hook' >&2\nexit 1\n")
        hook.chmod(0o755)
        before, head = snapshot(project.root), git(project.root, "rev-parse", "HEAD")
        with pytest.raises(TowlineError, match="git commit failed: no, says the hook"):
            run(project)
        assert git(project.root, "rev-parse", "HEAD") == head
        assert git(project.root, "status", "--porcelain") == ""
        after = snapshot(project.root)
        assert {name: item[:2] for name, item in after.items()} == {
            name: item[:2] for name, item in before.items()
        }
        assert run(project, commit=False).version == "1.0.1"

    @pytest.mark.parametrize(
        ("mapping", "message"),
        [
            ("{nowhere: src}", "nowhere does not exist"),
            ("{src: src, tests: src/tests}", "overlap"),
            ("{src: ../src}", "is outside the tree"),
            ("{/etc: etc}", "is outside the tree"),
            ("{src: .}", "cannot be replaced"),
            ("{src: release.json}", "cannot be replaced"),
            ("{src: security/ssl}", "belongs to the host"),
            ("{requirements.txt: docker/.env}", "belongs to the host"),
        ],
    )
    def test_a_mapping_that_cannot_be(self, project, mapping, message):
        old = "{src: src, requirements.txt: requirements.txt, tests/e2e: tests/e2e}"
        project = change_settings(project, old, mapping)
        self.refuse(project, UsageError, message, "towline.yaml")

    def test_a_folder_with_nothing_to_promote(self, project):
        (project.source_tree / "empty").mkdir()
        project = change_settings(project, "{src: src", "{empty: empty, src: src")
        self.refuse(project, UsageError, "holds no file to promote", ".gitignore")


def test_a_first_promotion_spares_what_git_does_not_hold(project):
    write(project.root, {"deploy/src/handmade.py": "mine"})
    with pytest.raises(CheckFailed, match=r"deploy/src/handmade\.py"):
        run(project)
    git(project.root, "add", "-A")
    git(project.root, "commit", "-qm", "chore: old deploy")
    run(project)
    assert not (project.deploy_tree / "src/handmade.py").exists()


def test_outside_of_git(folder):
    project = load(folder)
    write(folder, {"app/src/.env": "x", "app/src/__pycache__/a.pyc": "x"})
    plan = plan_promotion(project)
    assert plan.lines()[-1] == "note: not in a Git repository: no commit is made or recorded"
    done = promote(project, plan)
    assert (done.version, done.commit, done.manifest.commit) == ("1.0.0", "", "")
    assert sorted(path.name for path in (folder / "deploy/src").iterdir()) == [
        *("link.py", "migrations", "run", "shop")
    ]
    write(folder, {"app/src/shop/main.py": "print('two')\n"})
    assert run(project).version == "1.0.1"


def test_before_the_first_commit(folder):
    git(folder, "init", "-q")
    project = load(folder)
    with pytest.raises(UsageError, match="uncommitted changes"):
        run(project)
    done = run(project, allow_dirty=True)
    assert (done.manifest.commit, done.manifest.dirty) == ("", True)
    assert git(folder, "rev-parse", "HEAD").strip() == done.commit


def test_the_source_tree_may_be_the_root_itself(tmp_path):
    write(
        tmp_path,
        {
            "towline.yaml": (
                "project: tiny\npromote:\n  copy: {.: app}\n  version_files: [VERSION]\n"
            ),
            "VERSION": "0.3.0\n",
            "main.py": "",
            "deploy/docker/compose.yml": "",
        },
    )
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "feat: start")
    project = load(tmp_path)
    run(project)
    copied = sorted(path.name for path in (tmp_path / "deploy/app").rglob("*"))
    assert copied == ["VERSION", "main.py", "towline.yaml"]
    assert plan_promotion(project).nothing_to_do
    write(tmp_path, {"main.py": "x"})
    git(tmp_path, "commit", "-qam", "fix: x")
    assert run(project).version == "0.3.1"
    assert (tmp_path / "deploy/app/VERSION").read_text() == "0.3.1\n"


def test_an_ignored_deploy_tree_is_not_committed(project, commit):
    git(project.root, "rm", "-rq", "--cached", "deploy")
    commit(**{".gitignore": "/deploy/\n"})
    head = git(project.root, "rev-parse", "HEAD")
    plan = plan_promotion(project)
    assert plan.lines()[-1] == "note: Git ignores deploy/: no commit is made"
    assert promote(project, plan).commit == ""
    assert git(project.root, "rev-parse", "HEAD") == head


def test_an_identity_is_only_made_up_where_git_has_none(project, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "empty"))
    run(project)
    assert git(project.root, "log", "-1", "--format=%an <%ae>") == "Towline <towline@localhost>\n"


def test_a_removed_entry_leaves_its_files_to_people(project):
    run(project)
    project = change_settings(project, ", tests/e2e: tests/e2e}", "}")
    plan = plan_promotion(project)
    assert any("deploy/tests/e2e is no longer in promote.copy" in line for line in plan.lines())
    promote(project, plan)
    assert (project.deploy_tree / "tests/e2e/test_all.py").exists()
    write(project.root, {"deploy/tests/e2e/test_all.py": "mine"})
    assert not plan_promotion(project).nothing_to_do


def test_a_merge_under_way_is_not_concluded(project, commit):
    git(project.root, "checkout", "-qb", "side")
    commit(**{"side.md": "side"})
    git(project.root, "checkout", "-q", "main")
    git(project.root, "merge", "-q", "--no-ff", "--no-commit", "side")
    with pytest.raises(TowlineError, match="in the middle of another operation"):
        run(project)
    assert not (project.deploy_tree / "release.json").exists()
    assert git(project.root, "status", "--porcelain") == "A  side.md\n"


def test_recovering_with_nothing_left_behind(project):
    assert recover(project) is False
    shutil.rmtree(project.deploy_tree)
    assert recover(project) is False


def test_the_tests_run_in_the_source_tree_with_this_python(project):
    project = change_settings(
        project,
        "promote:",
        'promote:\n  test: [python, -c, "import sys, os; print(sys.executable, os.getcwd()); '
        'sys.exit(4)"]',
    )
    with pytest.raises(CheckFailed, match="ended with 4") as caught:
        run(project)
    assert caught.value.details == (f"{sys.executable} {project.source_tree}",)


def test_no_module_of_git_is_loaded_by_importing():
    code = (
        "import sys, towline.promotion.promotion; "
        "sys.exit(not {'git', 'pathspec'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_globs_that_match_no_migration_are_named(project):
    assert not any("matches no file" in line for line in plan_promotion(project).lines())
    write(
        project.root, {"towline.yaml": SETTINGS.replace("src/migrations/", "migrations/versions/")}
    )
    plan = plan_promotion(load(project.root), allow_dirty=True)
    assert plan.manifest.migrations == {}
    assert any("promote.migrations of towline.yaml matches no file" in x for x in plan.lines())
