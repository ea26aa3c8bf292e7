"""Environment files: `docker compose config` is the oracle; it needs no engine."""

import json
import shutil
import subprocess

import pytest
from dotenv import dotenv_values
from hypothesis import given, settings
from hypothesis import strategies as st

from towline.config.envfile import differences, read_env, write_env
from towline.errors import UsageError

needs_compose = pytest.mark.skipif(
    not shutil.which("docker")
    or subprocess.run(
        ["docker", "compose", "version"], capture_output=True, check=False
    ).returncode,
    reason="the Compose CLI is not installed",
)


def compose_reads(path):
    """What Compose makes of an env file; None when it refuses it."""
    return compose_reads_both_ways(path)[0]


def compose_reads_both_ways(path, names=()):
    """What a service gets by `env_file`, and what `${NAME}` becomes by `--env-file`."""
    compose = path.with_name("compose.json")
    services = {
        "file": {"image": "i", "env_file": [str(path)]},
        "put": {"image": "i", "environment": {name: f"${{{name}}}" for name in names}},
    }
    found = compose_config(compose, services, [path])
    if found is None:
        return None, None
    return tuple(environment(found, service) for service in ("file", "put"))


def compose_config(compose, services, env_files):
    """The services as Compose resolves them, `${NAME}` by these files; None when it refuses."""
    compose.write_text(json.dumps({"services": services}))
    files = [word for path in env_files for word in ("--env-file", str(path))]
    argv = ["docker", "compose", "-p", "oracle", *files, "-f", str(compose), "config"]
    done = subprocess.run(
        [*argv, "--format", "json"],
        capture_output=True, text=True, check=False, env={"PATH": "/usr/local/bin:/usr/bin:/bin"},
    )  # fmt: skip
    return None if done.returncode else json.loads(done.stdout)["services"]


def environment(services, name):
    """The variables of a service."""
    return {
        name: (value or "").replace("$$", "$")
        for name, value in (services[name].get("environment") or {}).items()
    }


ALIKE = [
    "A=plain", "A=", "A=two words", "A='single $quoted ${x} $$'", 'A="double quoted"', "A=''",
    "A=x # comment", "A=a#b", "export A=x", "A = spaced", "A=x=y==", "A=https://h/p?q=1&r=2",
    "A=YmFzZTY0Cg==", "# only a comment", "A=é", "A='a\\'b'", 'A="a\\\\b"', "A=x\nA=y",
    'A="one\ntwo"', "A='{\"a\": 1}'", "A=x\r", "A='x' # it's", "A=back\\slash", "A=*?[x]", "A=~/x",
    'A="say \\"hi\\""', "\ufeffA=bom", "A=`tick`", "  A=indented", "A=a'b", "A=$", "\n\nA=x\n",
    'A="x" # costs $5', 'A="C:\\dir"', "A.B-C=x", "A=x\r\nB=y\r", "A=caf\u00e9 au lait",
    "  # only a comment",
]  # fmt: skip
UNLIKE = [
    "A=$VAR", "A=${X-def}", "A=${X:-def}", "A=${X:+alt}", "A=${X:?err}", "A=$$", "A=pa$word",
    'A="pa$word"', "A", "A='unterminated", 'A="unterminated', "A='x'y", "A: x", "A='a\\\\b'",
    "A= #x", "A='x' y", 'A="x\\$y"',
    "A=x\t#y", "A=x \t#y", 'A="a\\\'b"', 'A="a\\09"', "A:=x", "A: =x", "A/B=x", "A+=x",
    "'A'=x", '"A"=x',
    "A=x\rB=y", "# A=\rB=y", "A=\u3000x", "A\u3000=x", "A='x'\x1c", "\x1cA=x", "A=\0x", "A='\0'",
    "\x1c# A=", "export # A=",
]  # fmt: skip


@pytest.fixture(scope="module")
def alike(tmp_path_factory):
    """Line -> its file and what Compose makes of it; all of them are asked for at once."""
    folder = tmp_path_factory.mktemp("alike")
    paths = {line: folder / f"{number}.env" for number, line in enumerate(ALIKE)}
    for line, path in paths.items():
        path.write_bytes(line.encode() + b"\n")
    # Where Compose expands a `$`, it would do so by the variables of all files.
    asked = {line: path for line, path in paths.items() if not _is_expanded(line)}
    services = {path.stem: {"image": "i", "env_file": [str(path)]} for path in asked.values()}
    found = compose_config(folder / "compose.json", services, asked.values())
    assert found is not None
    return {line: (path, environment(found, path.stem)) for line, path in asked.items()}


def _is_expanded(line):
    return "$" in line and "'" not in line


@needs_compose
@pytest.mark.parametrize("line", ALIKE)
def test_lines_read_alike_are_not_flagged(alike, line):
    if _is_expanded(line):
        return  # flagged on purpose: quoting costs nothing
    path, compose_reads_it = alike[line]
    assert compose_reads_it == read_env(path, {})
    assert differences(path) == []


@needs_compose
@pytest.mark.parametrize("line", UNLIKE)
def test_lines_read_differently_are_flagged(tmp_path, line):
    path = tmp_path / ".env"
    path.write_bytes(b"FIRST=1\n" + line.encode() + b"\n")
    assert compose_reads(path) != read_env(path, {})
    (finding, *_) = differences(path)
    assert finding.severity == "error"
    assert f"{path}:2" in finding.message
    assert finding.remedy


@needs_compose
@pytest.mark.parametrize("line", ["A='one\r\ntwo'", 'A="one\rtwo"'])
def test_a_carriage_return_in_quotes_is_flagged_for_the_service_that_reads_the_file(tmp_path, line):
    # Towline reads bytes; `load_dotenv(path)` in a service opens the file as text and loses it.
    path = tmp_path / ".env"
    path.write_bytes(line.encode() + b"\n")
    assert compose_reads(path) == read_env(path, {}) != dotenv_values(path, interpolate=False)
    assert len(differences(path)) == 1


characters = st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"])
lines = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "export C", "D "]),
        st.sampled_from(["=", " = ", "="]),
        st.text(st.sampled_from("ab0 $'\"\\#{}:-?+=\t\r\u3000\x1c"), max_size=12),
    ).map("".join),
    min_size=1,
    max_size=40,
)


@needs_compose
@settings(max_examples=60)
@given(lines=lines)
def test_whatever_is_not_flagged_is_read_alike(tmp_path_factory, lines):
    folder = tmp_path_factory.mktemp("env")
    path = folder / ".env"
    fine = []
    for line in lines:
        path.write_text(line + "\n")
        if not differences(path):
            fine.append(line)
    path.write_text("".join(line + "\n" for line in fine))
    if not differences(path):
        assert compose_reads(path) == read_env(path, {}), fine


@needs_compose
@settings(max_examples=25)
@given(values=st.lists(st.text(characters, max_size=20), max_size=40))
def test_what_is_written_is_read_back_by_both(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("env") / ".env"
    written = {}
    for number, value in enumerate(values):
        try:
            write_env({"X": value})
        except UsageError:
            assert "$" in value
            assert "\\" in value or "\r" in value
            continue
        written[f"V{number}"] = value
    path.write_bytes(write_env(written).encode())
    assert read_env(path, {}) == written
    assert compose_reads_both_ways(path, written) == (written, written)
    assert differences(path) == []


def test_values_that_end_in_a_backslash_stay_apart(tmp_path):
    # python-dotenv before 1.2.3 took the closing quote for an escaped one and read on.
    values = {"A": "one\\", "B": 'two"\\', "C": "it's"}
    path = tmp_path / ".env"
    path.write_text(write_env(values))
    assert read_env(path, {}) == values


@pytest.mark.parametrize("value", ["a\0b", "$\\", "it's $\\n"])
def test_what_cannot_be_written_is_refused_without_showing_it(value):
    with pytest.raises(UsageError, match="TOKEN") as raised:
        write_env({"TOKEN": value})
    assert value not in raised.value.message + raised.value.remedy


def test_the_real_environment_wins_for_names_of_the_file(tmp_path):
    path = tmp_path / ".env"
    path.write_text("A=file\nB=file\n")
    assert read_env(path, {"A": "shell", "C": "shell"}) == {"A": "shell", "B": "file"}


def test_a_finding_never_shows_the_value(tmp_path):
    path = tmp_path / ".env"
    path.write_text("TOKEN=hunter$2secret\n")
    (finding,) = differences(path)
    assert "hunter" not in finding.message + finding.remedy
    assert "TOKEN" in finding.message


@pytest.mark.parametrize("content", [None, b"A=\xff\xfe\n"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / ".env"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"\.env"):
        read_env(path, {})
