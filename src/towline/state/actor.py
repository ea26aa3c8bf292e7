"""Who runs an operation: a person on a machine, or a run of a CI service."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from towline.config.redaction import KNOWN
from towline.git.process import GitTimedOut, run_git
from towline.git.repository import user_name

_LONGEST = 200


class _Service(NamedTuple):
    """A CI service, by the variables that its documentation names.

    Attributes:
        sign: The variable that only this service sets.
        run: What it calls the run.
        url: Where people look at the run.
        person: Who started it.
    """

    name: str
    sign: str
    run: str
    url: str
    person: str


_SERVICES = (
    _Service("GitHub Actions", "GITHUB_ACTIONS", "{GITHUB_RUN_ID}",
             "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",
             "{GITHUB_ACTOR}"),
    _Service("GitLab CI", "GITLAB_CI", "{CI_PIPELINE_ID}", "{CI_PIPELINE_URL}",
             "{GITLAB_USER_LOGIN}"),
    _Service("Jenkins", "JENKINS_URL", "{BUILD_TAG}", "{BUILD_URL}", "{BUILD_USER_ID}"),
    _Service("CircleCI", "CIRCLECI", "{CIRCLE_BUILD_NUM}", "{CIRCLE_BUILD_URL}",
             "{CIRCLE_USERNAME}"),
    _Service("Buildkite", "BUILDKITE", "{BUILDKITE_BUILD_NUMBER}", "{BUILDKITE_BUILD_URL}",
             "{BUILDKITE_BUILD_CREATOR}"),
    _Service("Azure Pipelines", "TF_BUILD", "{BUILD_BUILDID}",
             "{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}",
             "{BUILD_REQUESTEDFOR}"),
    _Service("Bitbucket Pipelines", "BITBUCKET_BUILD_NUMBER", "{BITBUCKET_BUILD_NUMBER}",
             "{BITBUCKET_GIT_HTTP_ORIGIN}/pipelines/results/{BITBUCKET_BUILD_NUMBER}",
             "{BITBUCKET_STEP_TRIGGERER_UUID}"),
)  # fmt: skip


@dataclass(frozen=True)
class Actor:
    """Who runs an operation; what nobody knows is empty.

    Attributes:
        name: Name that Git knows, and `email`.
        login: User of the operating system; `sudo` is who became that user, and `host` where.
        ci: Name of the CI service.
        run: Its number of the run, and `url` the address.
        started_by: Who started the run.
    """

    name: str = ""
    email: str = ""
    login: str = ""
    sudo: str = ""
    host: str = ""
    ci: str = ""
    run: str = ""
    url: str = ""
    started_by: str = ""

    def __str__(self) -> str:
        """For people, in a few words; the address of a run is told apart."""
        if self.ci:
            run = f"{self.ci} run {self.run}" if self.run else self.ci
            return f"{self.started_by or self.name or 'someone'} ({run})"
        login = f"{self.sudo} as {self.login}" if self.sudo else self.login
        where = f"{login or 'someone'} on {self.host}" if self.host else login
        return f"{self.name} ({where})" if self.name and where else self.name or where or "unknown"

    def data(self) -> dict[str, str]:
        """What is known, as plain data."""
        return {name: value for name, value in asdict(self).items() if value}


# Under what name this process acts, where no person asked it to.
_names: list[str] = []


@contextmanager
def acting_as(name: str) -> Iterator[None]:
    """Let this process act under a name of its own while the body runs, and not as a person."""
    _names.append(name)
    try:
        yield
    finally:
        _names.pop()


def current() -> Actor:
    """Whoever runs this process; secrets are masked."""
    env = os.environ
    name, email = _git_user(os.path.realpath("."))
    name, email = env.get("GIT_AUTHOR_NAME") or name, env.get("GIT_AUTHOR_EMAIL") or email
    if _names:
        name, email = _names[-1], ""
    found = {
        "name": name,
        "email": email,
        # A container may run as a number that no file names.
        "login": user_name() or f"user {os.getuid()}",
        "sudo": env.get("SUDO_USER", ""),
        "host": socket.gethostname(),
        **_run(env),
    }
    return Actor(**{key: _line(value) for key, value in found.items()})


def read(data: Any) -> Actor:
    """An actor from a file, whatever that holds; what earlier versions wrote has none."""
    known = data if isinstance(data, Mapping) else {}
    names = [item.name for item in fields(Actor)]
    texts = {name: known[name] for name in names if isinstance(known.get(name), str)}
    return Actor(**{name: _line(text) for name, text in texts.items()})


def _run(env: Mapping[str, str]) -> dict[str, str]:
    found = next(
        (item for item in _SERVICES if env.get(item.sign) not in (None, "", "false")), None
    )
    if found is None:
        return {"ci": "CI"} if env.get("CI") in ("true", "1") else {}
    texts = {"run": found.run, "url": found.url, "started_by": found.person}
    said = {key: _expand(text, env) for key, text in texts.items()}
    return {**said, "ci": found.name, "url": _address(said["url"])}


def _expand(text: str, env: Mapping[str, str]) -> str:
    """A text with its variables; empty where one of them is not set."""
    try:
        return text.format_map({name: value for name, value in env.items() if value})
    except KeyError:
        return ""


def _address(url: str) -> str:
    """An address without the user and the password that may be in it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https"):
        return ""
    netloc = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=netloc).geturl().replace(" ", "%20")


@cache
def _git_user(folder: str) -> tuple[str, str]:
    """Name and e-mail address as configured; Git would make some up where nothing is."""
    try:
        answer = run_git(
            Path(folder), "config", "-z", "--get-regexp", r"^user\.(name|email)$", timeout=5
        )
    except (OSError, GitTimedOut):
        return "", ""
    said = answer.data.decode("utf-8", "replace")
    # The last one counts: the repository's own follow the user's.
    found = dict(item.partition("\n")[::2] for item in said.split("\0"))
    return found.get("user.name", ""), found.get("user.email", "")


def _line(text: str) -> str:
    """A text on one line, without what is secret or moves a cursor."""
    plain = " ".join(KNOWN.redact(text).split())
    return "".join(each for each in plain if each.isprintable())[:_LONGEST]
