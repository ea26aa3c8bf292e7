import pytest

FASTAPI = """\
from fastapi import FastAPI

app = FastAPI()


@app.get("/healthz")
def health():
    return {"ok": True}
"""


@pytest.fixture
def shop(tmp_path):
    """A small FastAPI project as people have it before Towline."""
    root = tmp_path / "My Shop.v2"
    (root / "shop").mkdir(parents=True)
    (root / "shop" / "__init__.py").touch()
    (root / "shop" / "main.py").write_text(FASTAPI)
    (root / "requirements.txt").write_text("fastapi==0.115.0\n")
    return root
