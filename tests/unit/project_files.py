"""The files of a small project, and a hand for Git."""

import subprocess
from pathlib import Path

SETTINGS = """\
project: shop
source: app
promote:
  copy: {src: src, requirements.txt: requirements.txt, tests/e2e: tests/e2e}
  version_files: [pyproject.toml, src/shop/__init__.py]
  migrations: ["src/migrations/*.py"]
"""
FILES = {
    "towline.yaml": SETTINGS,
    ".gitignore": "__pycache__/\n.env\n*.secret\n",
    "app/pyproject.toml": '[project]\nname = "shop"\nversion = "1.0.0"  # stamped\n',
    "app/src/shop/__init__.py": '"""Shop."""\n\n__version__ = "1.0.0"\n',
    "app/src/shop/main.py": "print('one')\n",
    "app/src/shop/old.py": "print('to vanish')\n",
    "app/src/migrations/0001_start.py": "",
    "app/requirements.txt": "fastapi\n",
    "app/tests/e2e/test_all.py": "def test_all(): pass\n",
    "app/tests/unit/test_one.py": "def test_one(): pass\n",
    "deploy/docker/compose.yml": "services: {}\n",
}


def git(folder: Path, *words: str) -> str:
    """Run git in a folder."""
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def write(root: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
