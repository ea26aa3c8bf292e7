import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "deploy/docs").glob("*.md")),
]


def test_the_command_reference_is_up_to_date():
    argv = [sys.executable, ROOT / "scripts/command-reference", "--check"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_the_docs_exists(page):
    known = (ROOT / "docs/commands.md").read_text()
    names = set(re.findall(r"^## inv ([\w.-]+)", known, re.M))
    names |= set(re.findall(r"`([\w.-]+)`", "".join(re.findall(r"\(also .*\)", known))))
    options = set(re.findall(r"`(--[\w-]+)`", known)) | {"--list", "--help", "--debug", "--dry"}
    for command in re.findall(r"(?:`|\$ |^ {4})(?:inv|towline) ([^`\n#]+)", page.read_text(), re.M):
        name = command.split()[0]
        assert name in names or name in ("--list", "--help", "call", "TASK"), command
        for option in re.findall(r"--[\w-]+", command):
            assert option in options, command
