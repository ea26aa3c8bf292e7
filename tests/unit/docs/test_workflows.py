"""What the workflows may do: tokens, pins and installs."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}")


def jobs(path):
    return yaml.safe_load(path.read_text())["jobs"].values()


def steps(path):
    return [step for job in jobs(path) for step in job["steps"]]


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def workflow(request):
    return request.param


def test_there_are_workflows():
    assert {path.stem for path in WORKFLOWS} == {"ci", "deploy", "promote", "release"}


def test_actions_are_pinned_to_a_commit_whose_release_is_named(workflow):
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert used
    assert all(PINNED.fullmatch(name) for name in used)
    for line in re.findall(r"uses: .*", workflow.read_text()):
        assert re.search(r"# v\d+\.\d+\.\d+$", line), line


def test_the_token_may_read_unless_a_job_says_more(workflow):
    assert yaml.safe_load(workflow.read_text())["permissions"] == {"contents": "read"}


def test_checkout_leaves_no_token_behind(workflow):
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_only_the_step_that_pushes_knows_the_token(workflow):
    assert all("token" not in str(job.get("env", {})).lower() for job in jobs(workflow))
    knowing = [step for step in steps(workflow) if "token" in str(step.get("env", {})).lower()]
    for step in knowing:
        assert re.fullmatch(r"inv promote --pr --no-tests|git push .*", step["run"])
    writing = [job for job in jobs(workflow) if "write" in str(job.get("permissions", ""))]
    assert len(knowing) == len(writing) <= 1


def test_what_is_installed_is_locked_and_in_an_environment_of_its_own(workflow):
    text = workflow.read_text()
    installs = re.findall(r"\S*pip install .*", text)
    assert installs or "TOWLINE_LOCKED" in text
    for line in installs:
        assert line.startswith(".venv/bin/pip install ")
        assert "--require-hashes" in line or "--no-deps --no-build-isolation" in line


def test_env_files_survive_on_a_runner_of_ones_own(workflow):
    for job in jobs(workflow):
        if job["runs-on"] == "self-hosted":
            (checkout,) = [s for s in job["steps"] if "checkout" in s.get("uses", "")]
            assert checkout["with"]["clean"] is False
            cleaning = [s["run"] for s in job["steps"] if "git clean" in s.get("run", "")]
            assert cleaning == ["git clean -ffd"]  # without -x: what is ignored stays


def test_inputs_never_stand_in_commands(workflow):
    assert not any("${{" in step.get("run", "") for step in steps(workflow))


def wanted(extras):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = list(project["dependencies"])
    for extra in extras:
        found += [x for x in project["optional-dependencies"][extra] if "towline[" not in x]
    return [Requirement(text) for text in found]


@pytest.mark.parametrize(
    ("file", "extras"),
    [("towline.txt", ["lock"]), ("dev.txt", ["lock", "test", "sample", "dev"])],
)
def test_the_lock_holds_every_requirement_with_hashes(file, extras):
    text = (ROOT / "requirements" / file).read_text()
    blocks = re.split(r"\n(?=[A-Za-z0-9])", text)
    pins = {}
    for block in blocks:
        if match := re.match(r"([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", block):
            pins[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2]
            assert "--hash=sha256:" in block, match[1]
    for requirement in [*wanted(extras), Requirement("setuptools>=77")]:
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert name in pins, f"run scripts/lock-requirements: {name} is not locked"
        assert requirement.specifier.contains(pins[name]), requirement
