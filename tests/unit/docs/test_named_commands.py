"""Every command that documents, templates and messages name can be typed as it stands there."""

import re
import shlex
from pathlib import Path

import pytest
from invoke.exceptions import ParseError
from invoke.parser import Parser

from towline.tasks import ns
from towline.tasks.program import program
from towline.tasks.words import NotUnderstoodError, understand

ROOT = Path(__file__).resolve().parents[3]
PLACES = (
    "README.md", "CONTRIBUTING.md", "docs/*.md", "deploy/docs/*.md", "deploy/scripts/*",
    "deploy/docker/.env*example", "scripts/quickstart", ".github/workflows/*.yml",
    "src/towline/**/*.py", "src/towline/templates/**/*.j2", "tasks/*.py",
)  # fmt: skip
FILES = sorted(path for place in PLACES for path in ROOT.glob(place) if path.is_file())
CORE = program.initial_context.flags
QUOTED = re.compile(r"`inv ([^`\n]+)`")
TYPED = re.compile(r"^ *(?:\$ |# |- run: |cd .* && exec )?inv (.+)$", re.M)
# What stands for a value: fields of templates, variables of a shell, an ellipsis.
VALUE = re.compile(r"\$?\{\{.*?\}\}|\"?\$[A-Z]+\"?|…")
# What stands for a value behind an option, and for further options elsewhere.
FIELD = re.compile(r"(?<!\S)\{[^{}]*\}|\"\$@\"")


def named(text):
    """The commands in a text, without `inv`."""
    yield from QUOTED.findall(text)
    for command in TYPED.findall(text):
        yield re.split(r"  +|[;&|]| # |\)", command)[0]


def words(command):
    """What Invoke is given for a command."""
    plain = VALUE.sub("x", command)
    plain = re.sub(r"(--[\w-]+) \{[^{}]*\}(?!--)", r"\1 x", plain)
    plain = re.sub(r"\{[^{}]*\}", "x", FIELD.sub("", plain))
    return shlex.split(re.sub(r"[\"'\\]", "", plain))


def refusal(command):
    """Why Invoke does not take a command; empty when it does."""
    given = words(command)
    if not given or given[0] == "x" or not re.fullmatch(r"[a-z][a-z.-]+", given[0]):
        return ""  # `inv --list`, `inv TASK`, `inv version.*`
    try:
        meant = understand(given, ns, CORE)
        Parser(contexts=ns.to_contexts()).parse_argv(meant)
    except (NotUnderstoodError, ParseError) as error:
        return f"inv {command}: {error}"
    return ""


def test_the_places_name_commands():
    assert len(FILES) > 100
    assert sum(1 for path in FILES for _ in named(path.read_text())) > 100


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_can_be_typed(path):
    assert [said for command in named(path.read_text()) if (said := refusal(command))] == []


def test_commands_that_cannot_be_typed_are_found():
    text = "run `inv chekc` or\n    inv rollback --nothing\n    inv logs app  # its log\n"
    assert [bool(refusal(command)) for command in named(text)] == [True, True, True]
    assert not any(refusal(command) for command in named("`inv logs --service {name}`"))
