"""No link leads nowhere: the repository has no public address, and files are where links say."""

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Addresses that a repository of this name might have one day.
INVENTED = re.compile(
    r"(github\.com|githubusercontent\.com|gitlab\.com|github\.io|readthedocs\.io|pypi\.org/project)"
    r"/towline|towline\.(dev|io|org|com|readthedocs|github)",
    re.IGNORECASE,
)
_LINK = re.compile(r"(?<!`)\[[^\]\n]+\]\(([^)\s]+)\)|^\[[^\]\n]+\]:\s*(\S+)", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def tracked():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_no_address_is_invented():
    found = []
    for file in tracked():
        if file.is_file() and file != Path(__file__):
            lines = file.read_bytes().decode("utf-8", "ignore").splitlines()
            name = file.relative_to(ROOT)
            found += [f"{name}:{n}: {text[:99]}" for n, text in enumerate(lines, 1)
                      if INVENTED.search(text)]  # fmt: skip
    assert found == []


def documents():
    return [file for file in tracked() if file.suffix == ".md" and file.is_file()]


def anchors(text):
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("file", documents(), ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_to_what_is_there(file):
    text = file.read_text()
    for match in _LINK.finditer(_FENCE.sub("", text)):
        link = match[1] or match[2]
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (file.parent / path).resolve() if path else file
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target.read_text()), link
