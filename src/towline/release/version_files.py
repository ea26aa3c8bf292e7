"""The files that carry a project's version: read it, and stamp a new one.

Only the version's own characters change: comments, quotes, order and line ends stay. A stamp is
first computed as text and checked by parsing it again; nothing is written before all are known.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from towline.config.models import VersionFile, VersionPattern
from towline.errors import UsageError
from towline.release.version import parse
from towline.release.write import replace_file

_BOM = "\ufeff"
_KNOWN = (
    "pyproject.toml, package.json, Chart.yaml, a Python module with __version__, a VERSION file"
)


@dataclass(frozen=True)
class Stamp:
    """A version file before and after it gets a version; both are the same when it has it.

    Attributes:
        path: The file.
        before: Its content.
        after: What it becomes.
        is_new: Whether it is made anew.
    """

    path: Path
    before: bytes
    after: bytes
    is_new: bool = False


def written_version(folder: Path, files: Sequence[VersionFile]) -> str | None:
    """The one version that all files carry, without a leading `v`; None when there are no files.

    Args:
        folder: Folder that the names are relative to; the source tree.
        files: Their paths, or paths with patterns; `promote.version_files`.

    Raises:
        UsageError: When a file cannot be read or has no semantic version, or two disagree.
    """
    first: tuple[str, str] | None = None
    for file in files:
        name = name_of(file)
        for version in _versions(folder / name, _kind_of(folder, file)):
            if first is not None and first[1] != version:
                raise UsageError(
                    f"{folder / first[0]} has version {first[1]} and {folder / name} has {version}",
                    remedy="write the same version into both, or promote with --version",
                )
            first = first or (name, version)
    return first[1] if first else None


def written_versions(folder: Path, files: Sequence[VersionFile]) -> list[str]:
    """All versions that files carry, which an interrupted stamp can leave different.

    Raises:
        UsageError: When a file cannot be read or has no semantic version.
    """
    return [
        version
        for file in files
        for version in _versions(folder / name_of(file), _kind_of(folder, file))
    ]


def name_of(file: VersionFile) -> str:
    """The path of a version file as it is configured."""
    return file.file if isinstance(file, VersionPattern) else file


def stamps(folder: Path, files: Sequence[VersionFile], version: str) -> list[Stamp]:
    """What each file becomes when it gets a version; nothing is written.

    Raises:
        UsageError: When a file cannot be read, has no version, or cannot be stamped.
    """
    changes: dict[Path, Stamp] = {}
    for file in files:
        path = (folder / name_of(file)).resolve()
        kind = _kind_of(folder, file)
        # One file may be named twice, with two patterns.
        before = changes.get(path)
        changes[path] = _stamp(path, kind, str(parse(version)), before)
    return list(changes.values())


def write(changes: Sequence[Stamp]) -> None:
    """Write all stamps, or none: when one fails, those written before are taken back.

    Raises:
        OSError: When a file cannot be written.
    """
    done: list[Stamp] = []
    try:
        for change in changes:
            if change.after != change.before:
                replace_file(change.path, change.after)
                done.append(change)
    except BaseException:
        take_back(done)
        raise


def take_back(changes: Sequence[Stamp]) -> None:
    """Write what files were before a stamp, unless somebody changed them since.

    Raises:
        OSError: When a file cannot be written.
    """
    for change in reversed(changes):
        if change.after == change.before or _content(change.path) != change.after:
            continue
        if change.is_new:
            change.path.unlink()
        else:
            replace_file(change.path, change.before)


def content_after(file: str, changes: Sequence[Stamp]) -> bytes | None:
    """What a file that is no symbolic link holds after the stamps; None when none concerns it."""
    for change in changes:
        # The names are compared first: finding the real path of ten thousand files takes long.
        if file.endswith(change.path.name) and Path(file).resolve() == change.path:
            return change.after
    return None


def _content(path: Path) -> bytes | None:
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return None


def _versions(path: Path, kind: _Kind) -> Iterator[str]:
    for value in kind.values(path, _text(path)):
        try:
            yield str(parse(value))
        except UsageError as error:
            raise UsageError(f"{path}: {error.message}", remedy=error.remedy) from None


def _stamp(path: Path, kind: _Kind, version: str, before: Stamp | None) -> Stamp:
    text = before.after.decode() if before else _text(path)
    bom = _BOM if text.startswith(_BOM) else ""
    after = bom + kind.stamp(path, text.removeprefix(_BOM), version)
    return Stamp(path, before.before if before else text.encode(), after.encode())


def _text(path: Path) -> str:
    try:
        # Bytes, so that no line end is translated.
        return path.read_bytes().decode()
    except FileNotFoundError:
        raise UsageError(
            f"the version file {path} does not exist",
            remedy="create it, or mend promote.version_files in towline.yaml",
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", remedy="save it as UTF-8") from None


@dataclass(frozen=True)
class _Kind:
    """How one kind of file carries versions.

    `values` finds the versions that a text holds; `stamp` returns the text with another one.
    """

    values: Callable[[Path, str], list[str]]
    stamp: Callable[[Path, str, str], str]


def _kind_of(folder: Path, file: VersionFile) -> _Kind:
    return _pattern(file.pattern) if isinstance(file, VersionPattern) else _kind(folder / file)


def _kind(path: Path) -> _Kind:
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
    load: Callable[[str], Any], keys: Sequence[tuple[str, ...]], pattern: str, *, every: bool
) -> _Kind:
    """A kind of file that a parser reads.

    Args:
        load: The parser; raises ValueError.
        keys: Where a version may stand, best first.
        pattern: Format string of a regular expression around `{key}` and `{value}`, which has
            one group before the value.
        every: Whether every place that exists carries the version, not only the first.
    """

    def places(path: Path, text: str) -> list[tuple[str, ...]]:
        data = _load(load, path, text)
        found = [key for key in keys if _at(data, key) is not None]
        found = found if every else found[:1]
        if not found or not all(isinstance(_at(data, key), str) for key in found):
            wanted = " or ".join(".".join(key) for key in found or keys)
            raise UsageError(
                f"{path} has no {wanted} that is a text such as 1.2.0",
                remedy="write a version into it, or mend promote.version_files in towline.yaml",
            )
        return found

    def values(path: Path, text: str) -> list[str]:
        data = _load(load, path, text.removeprefix(_BOM))
        return [str(_at(data, key)) for key in places(path, text.removeprefix(_BOM))]

    def stamp(path: Path, text: str, version: str) -> str:
        for key in places(path, text):
            text = _replace_value(load, path, text, key, pattern, version)
        return text

    return _Kind(values, stamp)


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
            remedy="write it so, or mend promote.version_files in towline.yaml",
        )
    return found[0]


def _python_values(path: Path, text: str) -> list[str]:
    return [_python_place(path, text.removeprefix(_BOM)).value]


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
    present = text.removeprefix(_BOM).strip()
    if len(present.split()) > 1:
        raise UsageError(
            f"{path} must hold a version and nothing else",
            remedy="write it so, or mend promote.version_files in towline.yaml",
        )
    return [present]


def _plain_stamp(path: Path, text: str, version: str) -> str:
    present = _plain_values(path, text)[0]
    prefix = "v" if present.startswith("v") else ""
    return text.replace(present, prefix + version, 1)


# Any other file: the version stands between two pieces of text.


def _pattern(pattern: str) -> _Kind:
    start, _, end = (re.escape(part) for part in pattern.partition("{version}"))
    # As far as a version can reach; a longer word such as 1.2.3.4 is left to the parser to refuse.
    expression = re.compile(f"({start})(v?[0-9][0-9A-Za-z.+-]*){end}")

    def place(path: Path, text: str) -> re.Match[str]:
        found = list(expression.finditer(text))
        if len(found) != 1:
            raise UsageError(
                f"{path}: the pattern {pattern!r} is found {len(found)} times, not once",
                remedy="mend the pattern in towline.yaml, or the file",
            )
        return found[0]

    def values(path: Path, text: str) -> list[str]:
        return [place(path, text)[2]]

    def stamp(path: Path, text: str, version: str) -> str:
        match = place(path, text)
        prefix = "v" if match[2].startswith("v") else ""
        return text[: match.start(2)] + prefix + version + text[match.end(2) :]

    return _Kind(values, stamp)


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
_PLAIN = _Kind(_plain_values, _plain_stamp)
_BY_SUFFIX = {
    ".toml": _document(
        tomllib.loads,
        [("project", "version"), ("tool", "poetry", "version")],
        r"""({key}["']?[ \t]*=[ \t]*["']){value}""",
        every=False,
    ),
    ".json": _document(json.loads, [("version",)], r'("{key}"\s*:\s*"){value}', every=False),
    ".py": _Kind(_python_values, _python_stamp),
}
