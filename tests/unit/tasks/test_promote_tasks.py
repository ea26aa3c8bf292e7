"""`inv promote` as people type it: plan, branch, push, pull request, hotfixes."""

import json
import os
import subprocess
import threading

import pytest

import forking
from github_server import GitHub

FILES = {
    "tasks.py": "from towline.tasks import ns\n",
    "towline.yaml": "project: shop\nsource: app\n"
    "promote: {copy: {src: src}, version_files: [VERSION]}\n",
    "app/VERSION": "1.0.0\n",
    "app/src/main.py": "print('one')\n",
    "deploy/docker/docker-compose.prod.yml": "services: {api: {image: shop}}\n",
}
TOKEN = "ghp_pl4ntedT0ken"


@pytest.fixture
def root(tmp_path, monkeypatch):
    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.setenv(name, "Ann")
    for name in ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "ann@example.org")
    root = tmp_path / "shop"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    git(root, "init", "-q", "-b", "main", "--template=")
    commit(root, "feat: start")
    inv(root, "promote")
    (root / "app/src/main.py").write_text("print('two')\n")
    commit(root, "feat(search): find by tag")
    return root


def git(root, *words):
    done = subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


def commit(root, message):
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)


def inv(root, *words, code=0, env=None):
    environ = {**os.environ, **(env or {})}
    done = forking.run(words, module="invoke", cwd=root, env=environ, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.mark.parametrize("option", ["--plan", "--dry-run"])
def test_a_plan_shows_everything_and_changes_nothing(root, option):
    before = git(root, "status", "--porcelain"), git(root, "rev-parse", "HEAD")
    said = inv(root, "promote", option)
    assert said.startswith("promote shop 1.0.0 -> 1.1.0: 1 change bumps the minor part\n")
    assert "changes       1 feature" in said
    assert "files         2 changed, 0 added, 0 removed" in said
    assert (git(root, "status", "--porcelain"), git(root, "rev-parse", "HEAD")) == before


def test_a_promotion_can_be_reviewed(root, tmp_path):
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "--template=", "remote.git")
    git(root, "remote", "add", "origin", "https://github.com/acme/shop.git")
    git(root, "config", "remote.origin.pushurl", str(tmp_path / "remote.git"))
    server = GitHub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        env = {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": server.url}
        said = inv(root, "promote", "--pr", env=env)
    finally:
        server.shutdown()
        server.server_close()
    assert "deploy/ is shop 1.1.0 now, commit " in said
    assert "pushed deploy/promote-1.1.0 to origin" in said
    assert "opened pull request #7: https://github.com/acme/shop/pull/7" in said
    assert TOKEN not in said
    body = server.asked[-1][4]
    assert body["title"] == "Promote shop 1.1.0"
    assert "## shop 1.1.0 (before: 1.0.0)" in body["body"]
    assert "**feat** search: find by tag" in body["body"]
    assert git(root, "branch", "--show-current").strip() == "deploy/promote-1.1.0"
    assert git(root, "log", "-1", "--format=%s", "main").strip() == "feat(search): find by tag"
    pushed = git(tmp_path / "remote.git", "log", "-1", "--format=%s", "deploy/promote-1.1.0")
    assert pushed.strip() == "chore(release): promote shop 1.1.0"


def test_a_branch_alone(root):
    said = inv(root, "promote", "--branch", "deploy/mine")
    assert "next: `git push -u origin deploy/mine`" in said
    assert git(root, "branch", "--show-current").strip() == "deploy/mine"
    assert "leaves nothing for a branch" in inv(
        root, "promote", "--branch", "deploy/x", "--no-commit", code=2
    )


def test_failing_tests_stop_it_and_the_branch_is_gone(root):
    with (root / "towline.yaml").open("a") as file:
        file.write("# tests\n")
    text = (root / "towline.yaml").read_text().replace("promote: {", "promote: {test: 'false', ")
    (root / "towline.yaml").write_text(text)
    commit(root, "chore: tests")
    said = inv(root, "promote", "--branch", "deploy/x", code=3)
    assert "the tests failed" in said
    assert git(root, "branch").split() == ["*", "main"]
    assert git(root, "status", "--porcelain") == ""


def test_without_a_remote_the_promotion_is_kept_and_that_is_said(root):
    said = inv(root, "promote", "--push", code=2)
    assert "there is no Git remote 'origin'; the promotion is committed" in said
    assert git(root, "log", "-1", "--format=%s").strip() == "chore(release): promote shop 1.1.0"


def test_no_releasable_commit_is_said(root):
    inv(root, "promote")
    (root / "app/src/main.py").write_text("print('three')\n")
    commit(root, "refactor: three")
    assert "no new version after shop 1.1.0: none of 1 change releases" in inv(root, "promote")
    assert "deploy/ is shop 1.1.1 now" in inv(root, "promote", "--bump", "patch")


def test_a_hotfix_from_drift_to_promotion(root):
    inv(root, "promote")
    assert "deploy/ is what was promoted: 1.1.0" in inv(root, "promote.drift")
    (root / "deploy/src/main.py").write_text("print('hot')\n")
    shown = inv(root, "promote.drift")
    assert "-print('two')\n+print('hot')\n" in shown
    rows = json.loads(inv(root, "promote.drift", "--json"))["files"]
    assert rows == [
        {"path": "src/main.py", "kind": "changed", "source": "src/main.py", "backported": False}
    ]
    assert "inv promote.backport" in inv(root, "promote", code=3)
    assert "would backport src/main.py" in inv(root, "promote.backport", "--dry-run")
    said = inv(root, "promote.backport")
    assert "hotfix/backport-1.1.0 is checked out" in said
    assert "nothing to backport" in inv(root, "promote.backport")
    git(root, "switch", "-q", "main")
    git(root, "merge", "-q", "hotfix/backport-1.1.0")
    assert "deploy/ is shop 1.1.1 now" in inv(root, "promote")


HIDDEN = {
    "API_TOKEN": "pl4nted-api-token-77aa",
    "REPORTS": "https://ghpl4nted0x9y8@git.example/repo",
    "LEGACY": "pl4nted-declared-00dd",
}
NEEDLES = ("pl4nted-api-token-77aa", "ghpl4nted0x9y8", "pl4nted-declared-00dd")
SPOKEN = " ".join(HIDDEN.values())


@pytest.fixture
def leaky(root):
    """A project whose commits and tests name its secrets."""
    (root / ".env").write_text("".join(f"{name}={text}\n" for name, text in HIDDEN.items()))
    (root / ".gitignore").write_text(".env\n")
    with (root / "towline.yaml").open("a") as file:
        file.write("secrets: [LEGACY]\n")
    (root / "app/src/main.py").write_text("print('leaky')\n")
    commit(root, f"feat: use {SPOKEN}\n\nBREAKING CHANGE: {SPOKEN} is needed")
    return root


def leaks(*texts):
    return [needle for text in texts for needle in NEEDLES if needle in str(text)]


def test_what_is_planted_in_commits_reaches_no_pull_request(leaky, tmp_path):
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "--template=", "remote.git")
    git(leaky, "remote", "add", "origin", "https://github.com/acme/shop.git")
    git(leaky, "config", "remote.origin.pushurl", str(tmp_path / "remote.git"))
    server = GitHub()
    refusal = {"message": f"Validation Failed: {SPOKEN}", "errors": [{"message": SPOKEN}]}
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": server.url}
    try:
        plan = inv(leaky, "promote", "--dry-run")
        said = inv(leaky, "promote", "--pr", env=env)
        sent = server.asked[-1][4]
        server.answers["POST", "/repos/acme/shop/pulls"] = (422, refusal, {})
        (leaky / "app/src/main.py").write_text("print('three')\n")
        commit(leaky, f"fix: {SPOKEN}")
        refused = inv(leaky, "promote", "--pr", env=env, code=1)
    finally:
        server.shutdown()
        server.server_close()
    assert "use [redacted]" in sent["body"]
    assert "[redacted]" in plan
    assert "GitHub refuses the pull request (422): Validation Failed: [redacted]" in refused
    assert leaks(plan, said, refused, sent["title"], sent["body"], server.asked) == []


@pytest.mark.parametrize("options", [(), ("--pr",)])
def test_what_tests_print_is_masked(leaky, options):
    (leaky / "app/noisy.py").write_text(
        "import os, sys\n"
        "print(open('../.env').read())\n"
        "print(repr(open('../.env').read()), file=sys.stderr)\n"
        "print(os.environ['CI_DEPLOY_TOKEN'])\n"
        "sys.exit(3)\n"
    )
    text = (leaky / "towline.yaml").read_text()
    text = text.replace("promote: {", "promote: {test: 'python noisy.py', ")
    (leaky / "towline.yaml").write_text(text)
    commit(leaky, "chore: tests")
    # The workflow's own secrets are in no file of the project.
    env = {"CI_DEPLOY_TOKEN": "pl4nted-of-the-workflow-1"}
    said = inv(leaky, "promote", *options, code=3, env=env)
    assert "the tests failed" in said
    assert said.count("[redacted]") >= 7
    assert leaks(said) == []
    assert "pl4nted" not in said


def test_what_drift_shows_is_masked_as_json_too(leaky):
    inv(leaky, "promote")
    (leaky / "deploy/src/main.py").write_text(f"print({SPOKEN!r})\n")
    (leaky / f"deploy/src/{NEEDLES[0]}.py").write_text("")
    shown = inv(leaky, "promote.drift")
    assert "[redacted]" in shown
    rows = json.loads(inv(leaky, "promote.drift", "--json"))
    assert "src/[redacted].py" in [row["path"] for row in rows["files"]]
    assert leaks(shown, rows, inv(leaky, "promote", code=3)) == []
