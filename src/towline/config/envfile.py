"""Environment files: read, written, and checked to mean the same to Compose.

python-dotenv reads the values here, Compose reads the same file for its containers, and the two
do not agree on every line: `pa$word` is cut to `pa` by one and kept by the other, an unterminated
quote is an error to one and dropped without a word by the other. Compose's dialect is the one
of compose-go's `dotenv` package (Compose 2.26); the tests ask `docker compose config` itself.
"""

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


def read_env(path: Path, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of a file; real environment variables win over it.

    Values are taken as they stand: `$` expands nothing (`differences` flags where Compose would).

    Raises:
        UsageError: When the file cannot be read.
    """
    from dotenv import dotenv_values

    text = _text(path)
    values = dotenv_values(stream=_stream(text), interpolate=False)
    return {name: environ.get(name, value or "") for name, value in values.items()}


def differences(path: Path) -> list[Finding]:
    """A finding for every line that python-dotenv and Compose read differently.

    A few lines that happen to be read alike are flagged too (any `$` outside single quotes):
    quoting them costs nothing. The value itself is never shown.

    Raises:
        UsageError: When the file cannot be read.
    """
    from dotenv.parser import parse_stream

    found = []
    for binding in parse_stream(_stream(_text(path))):
        for why, remedy in _problems(binding):
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
            backslash before a quote, a backslash or the end, or with a carriage return.
    """
    lines = []
    for name, value in values.items():
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


def _problems(binding: "Binding") -> Iterator[tuple[str, str]]:
    text = binding.original.string
    if not text.strip() or (binding.key is None and not binding.error):
        return  # blank lines and comments
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
    else:
        why = _value_problem(text.partition("=")[2])
        if why:
            yield why, safe


def _unreadable(text: str) -> str:
    value = text.partition("=")[2].strip()
    if value[:1] in ("'", '"') and value.count(value[0]) < 2:
        return "a quote is not closed: one drops the value, the other refuses the file"
    if value[:1] in ("'", '"'):
        return "something follows the closing quote: one drops the line, the other cuts the value"
    return "python-dotenv cannot read it and drops it"


def _value_problem(given: str) -> str:
    raw = given.lstrip(" \t")
    quote = raw[:1] if raw[:1] in ("'", '"') else ""
    if quote == "'":
        inside = raw.rpartition("'")[0][1:]
        if "\\\\" in inside:
            return "python-dotenv reads two backslashes in single quotes as one, Compose as two"
        return "a carriage return in quotes" if "\r" in inside else ""
    bare = raw if quote else _without_comment(raw)
    if "$" in bare:
        return "Compose expands `$`, python-dotenv keeps it"
    if quote and "\r" in raw.rpartition(quote)[0]:
        return "a carriage return in quotes"
    if raw.startswith("#") and raw != given:
        return "Compose takes the text after `= #` as the value, python-dotenv as a comment"
    if not quote and "\r" in bare.rstrip("\r\n"):
        return "a carriage return ends the line for one of them"
    return ""


def _without_comment(raw: str) -> str:
    return re.split(r"\s#", raw, maxsplit=1)[0]


def _leading_newlines(text: str) -> int:
    return len(text) - len(text.lstrip("\r\n")) if text.strip() else 0


def _stream(text: str):  # type: ignore[no-untyped-def]
    import io

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
