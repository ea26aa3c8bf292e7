"""Kinds of version files: where the version stands in each, and how it is replaced.

Only the version's own characters change: comments, quotes, order and line ends stay. A change is
checked by parsing the text again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from towline.config.release_sections import VersionFile, VersionPattern
from towline.errors import UsageError

BOM = "\ufeff"
_KNOWN = (
    "pyproject.toml, package.json, Chart.yaml, a Python module with __version__, a VERSION file"
)


@dataclass(frozen=True)
class Kind:
    """How one kind of file carries versions.

    `values` finds the versions that a text holds; `stamp` returns the text with another one.
    """

    values: Callable[[Path, str], list[str]]
    stamp: Callable[[Path, str, str], str]


def _read_toml(text: str) -> dict[str, Any]:
    # Most commands read no TOML, and its expressions take as long to compile as all of ours.
    import tomllib

    return tomllib.loads(text)


def kind_of(folder: Path, file: VersionFile) -> Kind:
    """The kind of a version file, by its pattern or its name.

    Raises:
        UsageError: When it is none that Towline knows.
    """
    return _pattern(file.pattern) if isinstance(file, VersionPattern) else _kind(folder / file)


def _kind(path: Path) -> Kind:
    if path.name in ("Chart.yaml", "Chart.yml"):
        return _CHART
    if path.suffix in _BY_SUFFIX:
        return _BY_SUFFIX[path.suffix]
    if path.suffix in ("", ".txt"):
        return _PLAIN
    raise UsageError(
        f"{path} is not a kind of version file that Towline knows",
        remedy=f"it knows: {_KNOWN}; for others write {{file: …, pattern: …}} in towline.yaml",
    )


# Documents: TOML, JSON and YAML. The place to change is found by trying: of all texts that look
# like the key with the present version, it is the one whose change changes exactly that value.


def _document(
    load: Callable[[str], Any],
    keys: Sequence[tuple[str, ...]],
    pattern: str,
    *,
    every: bool,
    missing: Callable[[Path, Any], str] | None = None,
) -> Kind:
    """A kind of file that a parser reads.

    Args:
        load: The parser; raises ValueError.
        keys: Where a version may stand, best first.
        pattern: Format string of a regular expression around `{key}` and `{value}`, which has
            one group before the value.
        every: Whether every place that exists tells the version, not only the first. Stamped
            are all of them.
        missing: Why a text has none of the keys, where there is a better reason.
    """

    def places(path: Path, text: str) -> list[tuple[str, ...]]:
        data = _load(load, path, text)
        found = [key for key in keys if _at(data, key) is not None]
        why = missing(path, data) if missing and not found else ""
        if why:
            raise UsageError(
                why,
                remedy="name the file that holds it in promote.version_files of towline.yaml, such "
                "as src/NAME/__init__.py; where tags tell it, leave this one out",
            )
        if not found or not all(isinstance(_at(data, key), str) for key in found):
            wanted = " or ".join(".".join(key) for key in found or keys)
            raise UsageError(
                f"{path} has no {wanted} that is a text such as 1.2.0",
                remedy="write a version into it, or fix promote.version_files in towline.yaml",
            )
        return found

    def values(path: Path, text: str) -> list[str]:
        data = _load(load, path, text.removeprefix(BOM))
        found = places(path, text.removeprefix(BOM))
        return [str(_at(data, key)) for key in (found if every else found[:1])]

    def stamp(path: Path, text: str, version: str) -> str:
        for key in places(path, text):
            text = _replace_value(load, path, text, key, pattern, version)
        return text

    return Kind(values, stamp)


def _replace_value(
    load: Callable[[str], Any],
    path: Path,
    text: str,
    key: tuple[str, ...],
    pattern: str,
    version: str,
) -> str:
    present = str(_at(load(text), key))
    if present == version:
        return text
    wanted = load(text)
    _at(wanted, key[:-1])[key[-1]] = version
    expression = pattern.format(key=re.escape(key[-1]), value=re.escape(present))
    for match in re.finditer(expression, text, re.MULTILINE):
        candidate = text[: match.end(1)] + version + text[match.end(1) + len(present) :]
        try:
            if load(candidate) == wanted:
                return candidate
        except ValueError:
            continue
    raise _unstampable(path, ".".join(key))


def _load(load: Callable[[str], Any], path: Path, text: str) -> Any:
    try:
        return load(text)
    except ValueError as error:
        raise UsageError(f"{path} cannot be parsed: {' '.join(str(error).split())}") from None


def _at(data: Any, key: tuple[str, ...]) -> Any:
    for part in key:
        data = data.get(part) if isinstance(data, Mapping) else None
    return data


def _dynamic(path: Path, data: Any) -> str:
    names = _at(data, ("project", "dynamic"))
    if not isinstance(names, list) or "version" not in names:
        return ""
    return f'{path} takes its version from elsewhere (dynamic = ["version"])'


def _load_yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


# A Python module: its syntax tree tells where the text stands.


def _python_place(path: Path, text: str) -> Any:
    import ast

    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{path} is not valid Python: {error}") from None
    found: list[ast.Constant] = []
    for node in module.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id="__version__")], value=value)
                | ast.AnnAssign(target=ast.Name(id="__version__"), value=value)
            ) if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.append(value)
            case _:
                continue
    if len(found) != 1:
        raise UsageError(
            f'{path} must assign __version__ = "…" once at its top level, not {len(found)} times',
            remedy="write it so, or fix promote.version_files in towline.yaml",
        )
    return found[0]


def _python_values(path: Path, text: str) -> list[str]:
    return [_python_place(path, text.removeprefix(BOM)).value]


def _python_stamp(path: Path, text: str, version: str) -> str:
    place = _python_place(path, text)
    if place.value == version:
        return text
    lines = text.encode().split(b"\n")
    line = lines[place.lineno - 1]
    # The tree counts in bytes of UTF-8.
    token = line[place.col_offset : place.end_col_offset]
    new = token.replace(place.value.encode(), version.encode(), 1)
    lines[place.lineno - 1] = line[: place.col_offset] + new + line[place.end_col_offset :]
    after = b"\n".join(lines).decode()
    if place.lineno != place.end_lineno or _python_place(path, after).value != version:
        raise _unstampable(path, "__version__")
    return after


# A plain file: nothing but the version, with its leading `v` and its line end kept.


def _plain_values(path: Path, text: str) -> list[str]:
    present = text.removeprefix(BOM).strip()
    if len(present.split()) > 1:
        raise UsageError(
            f"{path} must hold a version and nothing else",
            remedy="write it so, or fix promote.version_files in towline.yaml",
        )
    return [present]


def _plain_stamp(path: Path, text: str, version: str) -> str:
    present = _plain_values(path, text)[0]
    prefix = "v" if present.startswith("v") else ""
    return text.replace(present, prefix + version, 1)


# Any other file: the version stands between two pieces of text.


def _pattern(pattern: str) -> Kind:
    start, _, end = (re.escape(part) for part in pattern.partition("{version}"))
    # As far as a version can reach; a longer word such as 1.2.3.4 is left to the parser to refuse.
    expression = re.compile(f"({start})(v?[0-9][0-9A-Za-z.+-]*){end}")

    def place(path: Path, text: str) -> re.Match[str]:
        found = list(expression.finditer(text))
        if len(found) != 1:
            raise UsageError(
                f"{path}: the pattern {pattern!r} is found {len(found)} times, not once",
                remedy="fix the pattern in towline.yaml, or the file",
            )
        return found[0]

    def values(path: Path, text: str) -> list[str]:
        return [place(path, text)[2]]

    def stamp(path: Path, text: str, version: str) -> str:
        match = place(path, text)
        prefix = "v" if match[2].startswith("v") else ""
        return text[: match.start(2)] + prefix + version + text[match.end(2) :]

    return Kind(values, stamp)


def _unstampable(path: Path, key: str) -> UsageError:
    return UsageError(
        f"{path}: no place was found where a new version would change {key} alone",
        remedy=f"write {key} on one line, as a plain text",
    )


_CHART = _document(
    _load_yaml,
    [("version",), ("appVersion",)],
    r"""^({key}[ ]*:[ ]*["']?){value}""",
    every=True,
)
# What npm writes beside package.json; both places say the same.
LOCK = _document(
    json.loads,
    [("version",), ("packages", "", "version")],
    r'("{key}"\s*:\s*"){value}',
    every=False,
)
LOCKS: Mapping[str, Sequence[str]] = {"package.json": ("package-lock.json", "npm-shrinkwrap.json")}
_PLAIN = Kind(_plain_values, _plain_stamp)
_BY_SUFFIX = {
    ".toml": _document(
        _read_toml,
        [("project", "version"), ("tool", "poetry", "version")],
        r"""({key}["']?[ \t]*=[ \t]*["']){value}""",
        every=False,
        missing=_dynamic,
    ),
    ".json": _document(json.loads, [("version",)], r'("{key}"\s*:\s*"){value}', every=False),
    ".py": Kind(_python_values, _python_stamp),
}
