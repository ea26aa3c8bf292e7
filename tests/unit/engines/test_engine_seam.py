"""What import-linter cannot see: nobody but an engine names its files or holds its client."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ROOMS = [ROOT / "tasks", *(ROOT / "src/towline" / name
         for name in ("rollout", "environments", "checks", "insight", "state"))]  # fmt: skip


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_nobody_else_names_what_is_an_engine_s_own(room):
    own = re.compile(r"engines\.compose|\.docker\(\)|(kept|blue|green|build)\.json|docker compose ")
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in room.rglob("*.py")
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if own.search(line)
    ]
    assert found == []
