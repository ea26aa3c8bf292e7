"""What a project's own Dockerfile and Compose file say, for the scaffold to build on.

Nothing is guessed: what cannot be taken over as it stands is named, and left to a person.
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_OWN_ENV = re.compile(r"(PATH|HOME|PYTHON\w*|PIP_\w+|VIRTUAL_ENV)=")
_PYTHON = re.compile(r"(?:[\w.-]+(?::\d+)?/)*python:3[\w.-]*(?:@sha256:[0-9a-f]{64})?")
_PORT = re.compile(r"(?:^|:)(\d{2,5})$")
_PORT_OPTIONS = ("--port", "-p", "--bind", "-b", "--http", "--listen")
_SHELL = set("|&;<>$`(){}*?~#\n")
_DEVELOPMENT = {"runserver", "--reload", "--debug", "dev"}
_SHOWN = 70


@dataclass(frozen=True)
class Adopted:
    """What is taken over, and what is not.

    Attributes:
        base: Python image of the last stage.
        command: Start command.
        port: Port that the command listens on, or that is exposed.
        service: The app's name in the Compose file.
        env: `NAME=value` of the last stage, as written.
        taken: For people: what was taken, by file.
        left: For people: what was not, by file.
    """

    base: str = ""
    command: tuple[str, ...] = ()
    port: int = 0
    service: str = ""
    env: tuple[str, ...] = ()
    taken: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    left: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def notes(self) -> Iterator[str]:
        """For people: what was taken from which file, and what was not."""
        for file, items in self.taken.items():
            if items:
                yield f"taken from {file}: {', '.join(items)}"
        for file, items in self.left.items():
            for item in items:
                yield f"not taken from {file}: {item}"


@dataclass
class _Found:
    base: str = ""
    command: tuple[str, ...] = ()
    port: int = 0
    service: str = ""
    env: tuple[str, ...] = ()
    taken: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def take_command(self, written: object) -> None:
        """Take a start command over, or say why not; `exec` and shell form are both read."""
        command, why = _command(written)
        if command:
            self.command = command
            self.taken.append(f"the start command `{_cut(shlex.join(command))}`")
        elif why:
            self.left.append(why)

    def take_port(self, exposed: int) -> None:
        """What the command listens on tells more than what is said to be exposed."""
        port = command_port(self.command) or exposed
        if port and port < 1024:
            self.left.append(f"port {port}: the app runs without root, and listens above 1023")
        elif port:
            self.port = port
            self.taken.append(f"port {port}")


def adopt(source: Path) -> Adopted:
    """Read a project's own Dockerfile and Compose file, where there are some; runs nothing."""
    images, services = _dockerfile(source), _compose(source)
    return Adopted(
        base=images.base,
        command=services.command or images.command,
        port=services.port or images.port,
        service=services.service,
        env=images.env,
        taken={"Dockerfile": tuple(images.taken), _compose_name(source): tuple(services.taken)},
        left={"Dockerfile": tuple(images.left), _compose_name(source): tuple(services.left)},
    )


def command_port(command: Sequence[str]) -> int:
    """The port that a server's command names; 0 when it names none."""
    for at, word in enumerate(command):
        option, equals, value = word.partition("=")
        if option in _PORT_OPTIONS:
            given = value if equals else command[at + 1] if at + 1 < len(command) else ""
            if match := _PORT.search(given):
                return int(match[1])
    return 0


def _dockerfile(source: Path) -> _Found:
    found = _Found()
    args: dict[str, str] = {}
    stages: dict[str, str] = {}
    runs: list[str] = []
    written: dict[str, str] = {}
    for word, rest in _instructions(_text(source / "Dockerfile")):
        if word == "ARG":
            name, _, value = rest.partition("=")
            args[name.strip()] = value.strip().strip("\"'")
        elif word == "FROM":
            image, _, alias = _expand(rest, args).partition(" ")
            image = image if not image.startswith("--") else alias.split()[0]
            base = stages.get(image, image)
            if match := re.search(r"\bas\s+(\S+)$", rest, re.IGNORECASE):
                stages[match[1]] = base
            written = {"FROM": base}
        elif word == "RUN":
            runs.append(rest)
        elif word == "ENV":
            written["ENV"] = f"{written.get('ENV', '')}\n{rest}".strip()
        else:
            written[word] = rest
    if written:
        _last_stage(found, written)
    found.left += [f"`RUN {_cut(run)}`" for run in runs if not _is_own(run)]
    return found


def _last_stage(found: _Found, written: Mapping[str, str]) -> None:
    base = written.get("FROM", "")
    if _PYTHON.fullmatch(base) and "alpine" not in base:
        found.base = base
        found.taken.append(f"the image {base}")
    else:
        found.left.append(f"the image {base}: the scaffold builds on Debian's python images")
    lines = [line for line in written.get("ENV", "").splitlines() if "$" not in line]
    found.env = tuple(line for line in lines if "=" in line and not _OWN_ENV.match(line))
    found.taken += [f"ENV {line.partition('=')[0]}" for line in found.env]
    if "ENTRYPOINT" in written:
        found.left.append(f"`ENTRYPOINT {_cut(written['ENTRYPOINT'])}`, and with it CMD")
    elif "CMD" in written:
        found.take_command(_exec_form(written["CMD"]))
    exposed = re.match(r"\d+", written.get("EXPOSE", ""))
    found.take_port(int(exposed[0]) if exposed else 0)


def _compose_name(source: Path) -> str:
    return next((name for name in COMPOSE_FILES if (source / name).is_file()), COMPOSE_FILES[-1])


def _compose(source: Path) -> _Found:
    found = _Found()
    services = _services(source / _compose_name(source))
    built = [name for name, body in services.items() if "build" in body]
    public = [name for name in built if services[name].get("ports")]
    app = public[0] if len(public) == 1 else built[0] if len(built) == 1 else ""
    if app:
        body = services[app]
        found.service = app
        found.taken.append(f"the service name {app}")
        if "entrypoint" in body:
            found.left.append(f"entrypoint of {app}, and with it its command")
        elif body.get("command"):
            found.take_command(body["command"])
        found.take_port(_published(body.get("ports")))
    for name, body in services.items():
        if name != app:
            what = str(body.get("image") or "built here")
            command = body.get("command") if "build" in body else ""
            said = f": {_cut(_as_text(command))}" if command else ""
            found.left.append(f"service {name} ({what}{said})")
    return found


def _services(file: Path) -> dict[str, dict[str, Any]]:
    import yaml

    class Loader(yaml.SafeLoader):
        """Compose has tags of its own."""

    Loader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)
    try:
        data = yaml.load(_text(file), Loader=Loader)  # noqa: S506 -- a safe one
    except yaml.YAMLError:
        return {}
    services = data.get("services") if isinstance(data, dict) else None
    if not isinstance(services, dict):
        return {}
    return {str(name): body for name, body in services.items() if isinstance(body, dict)}


def _published(ports: object) -> int:
    """The container port of the first published one."""
    first = ports[0] if isinstance(ports, list) and ports else ""
    target = first.get("target") if isinstance(first, dict) else str(first).partition("/")[0]
    match = _PORT.search(str(target))
    return int(match[1]) if match else 0


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\[ \t]*\n", " ", "\n".join(lines)).splitlines():
        word, _, rest = line.strip().partition(" ")
        if rest:
            yield word.upper(), " ".join(rest.split())


def _expand(text: str, args: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)(?::-[^}]*)?\}?", lambda match: args.get(match[1], match[0]), text)


def _exec_form(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _command(written: object) -> tuple[tuple[str, ...], str]:
    """A command as words, or why it cannot be taken over."""
    shown = f"the start command `{_cut(_as_text(written))}`"
    if isinstance(written, list):
        words = [str(word) for word in written]
    elif isinstance(written, str) and not _SHELL & set(written):
        words = shlex.split(written)
    else:
        return (), f"{shown}: a shell has to read it"
    if not words:
        return (), ""
    if "/" in words[0] or words[0].endswith(".sh") or words[0] in ("sh", "bash"):
        return (), f"{shown}: it runs a script"
    if any("$" in word for word in words):
        return (), f"{shown}: it uses variables"
    if _DEVELOPMENT & set(words):
        return (), f"{shown}: that is for development"
    if any(word.startswith(("127.", "localhost")) for word in words):
        return (), f"{shown}: it listens on loopback only"
    return tuple(words), ""


def _is_own(run: str) -> bool:
    """Whether the scaffold's Dockerfile does what a RUN instruction does."""
    parts = re.split(r"&&|;", re.sub(r"--mount=\S+", "", run))
    own = re.compile(
        r"(python3? -m )?pip3? install\b|mkdir\b|useradd\b|adduser\b|groupadd\b|chown\b"
    )
    return all(own.match(part.strip()) for part in parts)


def _as_text(written: object) -> str:
    return shlex.join(map(str, written)) if isinstance(written, list) else str(written)


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _SHOWN else plain[: _SHOWN - 1] + "…"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
