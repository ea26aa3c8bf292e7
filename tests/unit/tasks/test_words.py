"""The words that people type: those that nothing knows, and those that other tools taught them."""

import re
import subprocess
import sys

import pytest

from towline.tasks import ns
from towline.tasks.program import Program
from towline.tasks.words import NotUnderstoodError, understand

CORE = Program(namespace=ns).initial_context.flags


def understood(text):
    return " ".join(understand(text.split(), ns, CORE))


@pytest.mark.parametrize(
    "text",
    [
        "", "deploy", "deploy --env prod --yes", "deploy --env=prod", "check status",
        "promote deploy --version 1.2.3", "version.set 1.2.3", "version.set --version 1.2.3",
        "version.set --help", "deploy --help", "health-check --timeout 300", "deploy.plan --json",
        "smoke --environment prod --verbose", "--debug deploy", "status -e", "rollback -R",
        "logs --service promote", "promote-to-deploy --bump minor",
    ],
)  # fmt: skip
def test_what_invoke_knows_is_left_alone(text):
    assert understood(text) == text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("version.bump minor", "version.bump --type minor"),
        ("version.bump minor --dry-run", "version.bump --type minor --dry-run"),
        ("version.prepare-release major", "version.prepare-release --type major"),
        ("rollback emergency", "rollback --force"),
        ("rollback --environment production emergency --auto-approve",
         "rollback --environment production --force --auto-approve"),
    ],
)  # fmt: skip
def test_words_of_other_tools_are_understood(text, meant):
    assert understood(text) == meant


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("exec web", "there is no task 'exec'; did you mean `inv logs`?", "--list"),
        ("deplyo", "there is no task 'deplyo'; did you mean `inv deploy`?", "--list"),
        ("rolback", "there is no task 'rolback'; did you mean `inv rollback`?", "--list"),
        ("xyzzy", "there is no task 'xyzzy'", "--list"),
        ("deploy prod", "`inv deploy` does not take the word 'prod'", "`--env prod`"),
        ("deploy --enviro x", "`inv deploy` has no option --enviro; did you mean `--env`?",
         "--help deploy"),
        ("deploy -version 1", "`inv deploy` has no option -version; did you mean `--version`?",
         "--help"),
        ("deploy --env", "`inv deploy`: --env needs a value", "--help deploy"),
        ("deploy --env --yes", "`inv deploy`: --env needs a value", "--help deploy"),
        ("version.set", "`inv version.set` needs a version", "inv version.set VERSION"),
        ("--lst", "inv has no option --lst; did you mean `--list`?", "inv --help"),
        ("version.bump huge", "`inv version.bump` does not take the word 'huge'",
         "--help version.bump"),
    ],
)  # fmt: skip
def test_what_nothing_knows_is_answered_with_the_nearest(text, message, remedy):
    with pytest.raises(NotUnderstoodError) as raised:
        understood(text)
    assert raised.value.message == message
    assert remedy in raised.value.remedy


def typed(folder, *arguments, program="inv"):
    argv = [sys.executable, "-m", "invoke"] if program == "inv" else [
        sys.executable, "-c", "from towline.tasks.program import main; main()"
    ]  # fmt: skip
    done = subprocess.run(
        [*argv, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("program", ["inv", "towline"])
def test_a_bare_program_lists_the_tasks_and_changes_nothing(tmp_path, program):
    own = "from invoke import task\n@task\ndef mine(c):\n    '''Our own.'''\nns.add_task(mine)\n"
    (tmp_path / "tasks.py").write_text(f"from towline.tasks import ns\n{own}")
    (tmp_path / "towline.yaml").write_text("project: shop\n")
    code, out, err = typed(tmp_path, program=program)
    assert (code, err) == (0, "")
    assert "\ndeploy " in out
    assert "\nrollback " in out
    assert ("\nmine " in out) is (program == "inv")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == [
        "tasks.py", "towline.yaml",
    ]  # fmt: skip


@pytest.mark.parametrize("arguments", [["exec"], ["--help", "exec"], ["deploy", "--enviro", "x"]])
def test_inv_itself_answers_with_the_nearest_and_exit_code_2(tmp_path, arguments):
    (tmp_path / "tasks.py").write_text("from towline.tasks import ns\n")
    code, out, err = typed(tmp_path, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error  ")
    assert "did you mean" in err
    assert "next   " in err
    assert "No idea" not in err


def test_a_task_of_the_project_is_no_unknown_word(tmp_path):
    own = "from invoke import task\n@task\ndef mine(c, word):\n    print(word)\nns.add_task(mine)\n"
    (tmp_path / "tasks.py").write_text(f"from towline.tasks import ns\n{own}")
    assert typed(tmp_path, "mine", "minor")[:2] == (0, "minor\n")


def test_verbose_tells_each_command_without_secrets(tmp_path):
    (tmp_path / "tasks.py").write_text(
        "from invoke import task\n"
        "from towline.tasks import command, ns\n"
        "@task\n"
        "def mine(c):\n"
        "    from towline.config.redaction import KNOWN\n"
        "    from towline.hosts.local import LocalHost\n"
        "    KNOWN.learn({'API_TOKEN': 'planted-9d8c'})\n"
        "    LocalHost().run(['echo', 'planted-9d8c'])\n"
        "ns.add_task(mine)\n"
        "command.adopt(ns)\n"
    )
    assert typed(tmp_path, "mine")[2] == ""
    code, _, err = typed(tmp_path, "mine", "--verbose")
    assert code == 0
    assert re.fullmatch(r"debug  echo \[redacted\]: code 0 after \d\.\d\d s\n", err), err
