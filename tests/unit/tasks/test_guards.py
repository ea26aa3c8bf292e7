"""Invoke's traps, each with a test that would fail if a task stepped into it."""

import inspect
import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest
from invoke import Program

from towline.tasks import ns, output, terminal

TASKS = {name: ns[name] for name in ns.task_names}
# Read once: Invoke takes the help out of a task when its arguments are asked for.
ARGUMENTS = {name: task.get_arguments() for name, task in TASKS.items()}
HEAVY = ("docker", "fabric", "git", "httpx", "jinja2", "pydantic", "dotenv", "cryptography")


def drive(*arguments):
    """Run the collection in process: exit code, stdout, stderr."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            Program(namespace=ns, name="inv").run(["inv", *arguments])
        except SystemExit as error:
            code = error.code
    return code or 0, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("name", TASKS)
def test_help_runs_no_body(name, tmp_path, monkeypatch):
    # Outside of a project every body would end in exit code 2.
    monkeypatch.chdir(tmp_path)
    for arguments in (("--help", name), (name, "--help")):
        code, out, err = drive(*arguments)
        assert (code, err) == (0, "")
        assert "Usage: " in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", TASKS)
def test_every_argument_has_help_that_names_its_default(name):
    for argument in ARGUMENTS[name]:
        assert argument.help, f"{name} --{argument.name} has no help"
        says = ("Default: ", "Required", "Why;", "kept")
        assert any(word in argument.help for word in says), f"{name} --{argument.name}"


@pytest.mark.parametrize("name", TASKS)
def test_no_short_flags_and_every_argument_has_a_default(name):
    task = TASKS[name]
    assert not task.auto_shortflags
    assert {nick for a in ARGUMENTS[name] for nick in a.nicknames} <= {"environment"}
    for parameter in list(inspect.signature(task.body).parameters.values())[1:]:
        assert parameter.default is not inspect.Parameter.empty


@pytest.mark.parametrize("name", TASKS)
def test_no_body_is_wrapped_and_none_has_pre_tasks(name):
    task = TASKS[name]
    assert not hasattr(task.body, "__wrapped__")
    assert task.pre == []
    assert task.__doc__
    assert len(task.__doc__.splitlines()[0]) < 100


CHANGING = ["init", "init.secrets", "init.certificate", "promote", "build", "migrate", "deploy",
            "rollback", "down", "version.bump", "version.set", "version.prepare-release",
            "version.changelog", "promote.backport", "lab.up", "lab.down", "provision",
            "hold", "hold.lift", "unlock", "deploy.resume", "deploy.abort"]  # fmt: skip


@pytest.mark.parametrize("name", CHANGING)
def test_whatever_changes_something_can_be_tried_dry(name):
    assert "dry_run" in {argument.name for argument in ns[name].get_arguments()}


def test_the_names_people_type_are_there():
    code, out, _ = drive("--list")
    assert code == 0
    for name in ("init", "promote", "promote-to-deploy", "pre-deploy-check", "check", "build",
                 "migrate", "deploy", "deploy.plan", "health-check", "health", "smoke", "rollback",
                 "status", "logs", "down", "history"):  # fmt: skip
        assert name in out


def test_listing_needs_no_project_prints_nothing_else_and_imports_nothing_heavy(tmp_path):
    (tmp_path / "tasks.py").write_text("from towline.tasks import ns\n")
    code = (
        "import sys; from invoke import Program\n"
        "try: Program(name='inv').run(['inv', '--list'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert done.stdout.startswith("Available tasks:")


def test_the_folder_is_one_package_only():
    import towline.tasks.deploy as loaded

    assert loaded.__name__ == "towline.tasks.deploy"
    assert not any(name.startswith("tasks.") for name in sys.modules)


def test_colour_only_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def shown(stream):
        output.write(terminal.paint("x", "red", stream), stream)
        return stream.getvalue()

    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert shown(io.StringIO()) == "x"
    assert shown(Terminal()) == "\033[31mx\033[0m"
    monkeypatch.setenv("TERM", "dumb")
    assert shown(Terminal()) == "x"
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert shown(io.StringIO()) == "\033[31mx\033[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(Terminal()) == "x"


def test_tables_are_aligned(capsys):
    terminal.table(["name", "state"], [["a", "running"], ["longer", "ok"]])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["name    state", "a       running", "longer  ok"]


def test_an_error_is_one_message_with_a_remedy_and_its_exit_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = drive("status")
    assert code == 2
    assert out == ""
    assert err.splitlines() == [
        f"error  no towline.yaml in {tmp_path} or above it",
        "next   run `towline init` in the root of your project",
    ]


def test_numbers_and_durations_of_the_command_line_are_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "towline.yaml").write_text("project: shop\n")
    for arguments in (("health-check", "--timeout", "soon"), ("logs", "--lines", "many"),
                      ("history", "--lines", "-1")):  # fmt: skip
        code, _, err = drive(*arguments)
        assert code == 2, err
        assert arguments[1] in err


def test_debug_keeps_the_traceback(tmp_path):
    (tmp_path / "tasks.py").write_text("from towline.tasks import ns\n")
    argv = [sys.executable, "-m", "invoke", "--debug", "status"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "UsageError" in done.stderr
