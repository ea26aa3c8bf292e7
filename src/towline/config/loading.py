"""Find and read `towline.yaml`; every mistake in it is named with its place and its remedy."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from towline.config.models import Environment, Rollout, Settings, Strategy
from towline.config.wording import in_words
from towline.errors import UsageError

FILE = "towline.yaml"


@dataclass(frozen=True)
class Project:
    """A project on disk: its root folder and its settings."""

    root: Path
    settings: Settings

    @property
    def source_tree(self) -> Path:
        """The folder developers work in."""
        return self.root / self.settings.source

    @property
    def deploy_tree(self) -> Path:
        """The promoted production folder."""
        return self.root / self.settings.deploy

    @property
    def compose_file(self) -> Path:
        """The Compose file in the deploy tree."""
        return self.deploy_tree / self.settings.compose

    def environment(self, name: str) -> Environment:
        """The settings of one environment.

        Raises:
            UsageError: When there is no such environment.
        """
        known = self.settings.environments
        if name not in known:
            raise UsageError(
                f"unknown environment {name!r}{_did_you_mean(name, list(known))}",
                remedy=f"{FILE} knows: {', '.join(sorted(known))}",
            )
        return known[name]

    def rollout(self, environment: str) -> Rollout:
        """The rollout settings in force in one environment."""
        self.environment(environment)
        return self.settings.rollout_for(environment)


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds `towline.yaml`.

    Raises:
        UsageError: When there is none.
    """
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder
    raise UsageError(
        f"no {FILE} in {start} or above it", remedy="run `towline init` in the root of your project"
    )


def load(start: Path) -> Project:
    """Read the project at or above `start`.

    Raises:
        UsageError: When the file is missing, is not YAML, or does not fit the schema.
    """
    root = find_root(start.resolve())
    path = root / FILE
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        problem = getattr(error, "problem", "") or str(error)
        raise UsageError(
            f"{path}:{line} is not valid YAML: {problem}", remedy=f"mend line {line} of {FILE}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}", remedy="check its owner, mode and encoding (UTF-8)"
        ) from None
    if not isinstance(data, dict):
        raise UsageError(
            f"{path} is not a mapping", remedy="write at least one line, `project: NAME`"
        )
    try:
        return Project(root, Settings.model_validate(data))
    except ValidationError as error:
        # A misspelt key first: it is often why another one is missing.
        items = sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
        lines = [describe(item, Settings) for item in items]
        raise UsageError(
            f"{path}: {lines[0]}", details=lines[1:], remedy=f"mend {FILE} and run this again"
        ) from None


def override_strategy(project: Project, environment: str, strategy: str) -> Project:
    """The same project with another strategy in one environment, as a command line asks.

    Raises:
        UsageError: When there is no such environment or strategy.
    """
    settings = project.settings
    known = get_args(Strategy)
    if strategy not in known:
        raise UsageError(
            f"unknown strategy {strategy!r}{_did_you_mean(strategy, known)}",
            remedy=f"strategies: {', '.join(known)}",
        )
    own = project.environment(environment)
    changed = own.model_copy(update={"rollout": {**own.rollout, "strategy": strategy}})
    environments = {**settings.environments, environment: changed}
    return Project(project.root, settings.model_copy(update={"environments": environments}))


def describe(item: Any, model: type[BaseModel]) -> str:
    """One pydantic error in words: where, what, and the nearest known key if a key is unknown."""
    location: Sequence[str | int] = [
        part for part in item["loc"] if not (isinstance(part, str) and part.startswith("function-"))
    ]
    where = ".".join(str(part) for part in location)
    if item["type"] == "extra_forbidden":
        known = _keys_at(model, location[:-1])
        return f"unknown key `{where}`{_did_you_mean(str(location[-1]), known)}"
    if item["type"] == "missing":
        return f"`{where}` is missing"
    message = in_words(item)
    return f"`{where}`: {message}" if where else message


def _keys_at(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys that the schema allows at a place in the file."""
    schema = model.model_json_schema()
    node: dict[str, Any] = schema
    for part in location:
        node = _resolve(schema, node)
        if isinstance(part, int):
            node = node.get("items", {})
        else:
            named = node.get("properties", {})
            node = named.get(part) or node.get("additionalProperties") or {}
    return list(_resolve(schema, node).get("properties", {}))


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    options = [node, *node.get("anyOf", [])]
    for option in options:
        if "$ref" in option:
            found: dict[str, Any] = schema["$defs"][option["$ref"].rsplit("/", 1)[-1]]
            return found
    return node


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else ""
