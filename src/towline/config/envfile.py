"""Environment files: read, written, and checked to mean the same to Compose.

python-dotenv reads the values here, Compose reads the same file for its containers, and the two
do not agree on every line: `pa$word` is cut to `pa` by one and kept by the other, an unterminated
quote is an error to one and dropped without a word by the other. Compose's dialect is the one
of compose-go's `dotenv` package (Compose 2.26); the tests ask `docker compose config` itself.
"""

import io
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from towline.errors import UsageError
from towline.findings import Finding, Severity

if TYPE_CHECKING:
    from dotenv.parser import Binding

CHECK = "env-file"
_NAME = re.compile(r"\s*(?:export\s+)?(?P<name>[^=\s:'\"]+)")
_EXPORT = re.compile(r"\s*(?:export\s+)?")
_COMPOSE_NAME = re.compile(r"[\w.\[\]-]+")
_QUOTED = re.compile(r"""(['"])(?P<inside>(?:\\.|(?!\1)[^\\])*)\1""", re.DOTALL)
# What each reader takes for white space; they agree on spaces, tabs and line ends alone.
_ODD_SPACE = re.compile(r"[^\S \t\r\n]|[\0-\x08\x0e-\x1f\x7f]")
_ODD = "white space that is no space or tab, or a control character, outside quotes"
_LINE_FEEDS = "end every line with a line feed, not with a lone carriage return"


def read_env(path: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of a file; real environment variables win over it.

    Values are taken as they stand: `$` expands nothing (`differences` flags where Compose would).

    Raises:
        UsageError: When the file cannot be read.
    """
    return {name: environ.get(name, value) for name, value in parse_env(_text(path)).items()}


def parse_env(text: str) -> dict[str, str]:
    """The variables of a file's text, as they stand."""
    from dotenv import dotenv_values

    values = dotenv_values(stream=_stream(text), interpolate=False)
    return {name: value or "" for name, value in values.items()}


def differences(path: Path) -> list[Finding]:
    """A finding for every line that python-dotenv and Compose read differently.

    A few lines that happen to be read alike are flagged too (any `$` outside single quotes):
    quoting them costs nothing. The value itself is never shown.

    Raises:
        UsageError: When the file cannot be read.
    """
    from dotenv.parser import parse_stream

    found = []
    bindings = list(parse_stream(_stream(_text(path))))
    for number, binding in enumerate(bindings, 1):
        for why, remedy in _problems(binding, last=number == len(bindings)):
            line = binding.original.line + _leading_newlines(binding.original.string)
            found.append(
                Finding(
                    CHECK,
                    Severity.ERROR,
                    f"{path}:{line} {binding.key or ''}".rstrip()
                    + f": python-dotenv and Compose read this line differently ({why})",
                    remedy,
                )
            )
    return found


def write_env(values: Mapping[str, str]) -> str:
    """A file that gives every reader exactly these values.

    Raises:
        UsageError: When no way of writing a value is read alike: a `$` together with a
            backslash before a quote, a backslash or the end, or with a carriage return;
            a NUL character, which no process can be given.
    """
    lines = []
    for name, value in values.items():
        if "\0" in value:
            raise UsageError(
                f"the value of {name} holds a NUL character, which no variable can",
                remedy=f"choose another value for {name}",
            )
        quoted = _quoted(value)
        if quoted is None:
            raise UsageError(
                f"the value of {name} cannot be written so that Compose reads it back: it holds "
                "both `$` and a backslash",
                remedy=f"choose a value for {name} without `$` or without backslashes",
            )
        lines.append(f"{name}={quoted}\n")
    return "".join(lines)


def _quoted(value: str) -> str | None:
    if not set(value) & set("'\\\r"):
        return f"'{value}'"
    if "$" not in value:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r")
        return f'"{escaped}"'
    if "\\" not in value and "\r" not in value:
        return "'" + value.replace("'", "\\'") + "'"
    if "\r" not in value and "'" not in value and not re.search(r"\\\\|\\$", value):
        return f"'{value}'"
    return None


def _problems(binding: "Binding", *, last: bool) -> Iterator[tuple[str, str]]:
    text = binding.original.string
    if text.endswith("\r") and not last:
        yield "a lone carriage return ends the line for python-dotenv only", _LINE_FEEDS
        return
    if not text.strip() or (binding.key is None and not binding.error):  # blank, or a comment
        before = text.partition("#")[0]
        if before.strip() or _odd(before):
            yield (
                "`export` or unusual white space with no variable: Compose refuses the file",
                "remove the line, or leave only the comment",
            )
        return
    match = _NAME.match(text)
    name = match["name"] if match else "NAME"
    safe = f"write {name}='value', the value in single quotes"
    if binding.error:
        yield _unreadable(text), safe
    elif binding.value is None:
        yield (
            "a name without `=`: Compose takes it from the shell, python-dotenv calls it unset",
            f"write {name}= for an empty value, or remove the line",
        )
    elif _odd(text.partition("=")[0]):
        yield _ODD, safe
    elif not _COMPOSE_NAME.fullmatch(_given_name(text)):
        yield (
            "Compose takes only letters, digits and `_.-[]` for a name, and ends it at a colon",
            f"write {name}='value', the name of letters, digits and `_` and without quotes",
        )
    else:
        why = _value_problem(text.partition("=")[2])
        if why:
            yield why, safe


def _odd(text: str) -> bool:
    return bool(_ODD_SPACE.search(text))


def _given_name(text: str) -> str:
    # Not the parser's own key: python-dotenv takes quotes off a name.
    return _EXPORT.sub("", text.partition("=")[0], count=1).rstrip()


def _unreadable(text: str) -> str:
    value = text.partition("=")[2].strip()
    if value[:1] in ("'", '"') and value.count(value[0]) < 2:
        return "a quote is not closed: one drops the value, the other refuses the file"
    if value[:1] in ("'", '"'):
        return "something follows the closing quote: one drops the line, the other cuts the value"
    return "python-dotenv cannot read it and drops it"


def _value_problem(given: str) -> str:
    raw = given.lstrip(" \t")
    quoted = _QUOTED.match(raw)
    if quoted:
        after = raw[quoted.end() :].partition("#")[0]
        return _quoted_problem(raw[0], quoted["inside"]) or (_ODD if _odd(after) else "")
    if raw.startswith("#") and raw != given:
        return "Compose takes the text after `= #` as the value, python-dotenv as a comment"
    line = raw.rstrip("\r\n")
    ours, theirs = re.split(r"\s+#", line, maxsplit=1)[0], line.split(" #", 1)[0]
    if ours.rstrip() != theirs.rstrip():
        return "a comment starts after a space for Compose, after any white space for python-dotenv"
    if "$" in ours:
        return "Compose expands `$`, python-dotenv keeps it"
    return _ODD if _odd(theirs) else ""


def _quoted_problem(quote: str, inside: str) -> str:
    if "\r" in inside:  # not lost here, where bytes are read; lost where the file is opened as text
        return (
            "a carriage return in quotes, which python-dotenv loses when it opens the file itself"
        )
    if "\0" in inside:
        return "a NUL character, which no variable can hold"
    if quote == "'":
        if "\\\\" in inside:
            return "python-dotenv reads two backslashes in single quotes as one, Compose as two"
        return ""
    if "$" in inside:
        return "Compose expands `$`, python-dotenv keeps it"
    if {"\\'", "\\0"} & set(re.findall(r"\\.", inside, re.DOTALL)):
        return "they read a backslash before `'` or `0` in double quotes differently"
    return ""


def _leading_newlines(text: str) -> int:
    return len(text) - len(text.lstrip("\r\n")) if text.strip() else 0


def _stream(text: str) -> io.StringIO:
    return io.StringIO(text, newline="")


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}", remedy=f"check `ls -l {path}`"
        ) from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is not UTF-8 (byte {error.start})", remedy="save it as UTF-8"
        ) from None
