"""Find and read `towline.yaml`; every mistake in it is named with its place and its remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from towline.config import overrides, renamed
from towline.config.deploy_sections import Overridable, strategy_names
from towline.config.mistakes import describe, did_you_mean, dotted, location_of
from towline.config.models import Environment, Settings, TowlineFile
from towline.config.overrides import Location
from towline.config.yaml_file import line_of, read_yaml
from towline.errors import UsageError

FILE = "towline.yaml"


@dataclass(frozen=True)
class Project:
    """A project on disk: its root folder and its settings.

    Attributes:
        root: The folder with `towline.yaml`.
        settings: What is the same in all environments. What may differ between them is only
            to be had by `environment`, where the environment's own settings count.
        warnings: What whoever wrote the file should know.
    """

    root: Path
    settings: Settings
    warnings: tuple[str, ...] = field(default=())

    @property
    def source_tree(self) -> Path:
        """The folder developers work in."""
        return self.root / self.settings.source

    @property
    def deploy_tree(self) -> Path:
        """The promoted production folder."""
        return self.root / self.settings.deploy

    def environment(self, name: str) -> Environment:
        """All settings that are in force in one environment.

        Raises:
            UsageError: When there is no such environment.
        """
        known = self.settings.environments
        if name not in known:
            raise UsageError(
                f"unknown environment {name!r}{did_you_mean(name, list(known))}",
                remedy=f"{FILE} knows: {', '.join(self.names())}",
            )
        return known[name]

    def names(self) -> list[str]:
        """The environments, each behind the one that it comes after."""
        every = self.settings.environments
        return overrides.in_order({name: item.after for name, item in every.items()})

    def compose_files(self, environment: str) -> tuple[Path, ...]:
        """The Compose files of an environment, in the deploy tree: the base, then overrides.

        Raises:
            UsageError: When there is no such environment.
        """
        return tuple(self.deploy_tree / name for name in self.environment(environment).compose)


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
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise UsageError(
            f"{path} is not a mapping", remedy="write at least one line, `project: NAME`"
        )
    try:
        data, old = renamed.with_new_names(data)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", remedy=error.remedy) from None
    written = _Written(path, data, tuple(old))
    settings = written.validated()
    written.require_order(settings)
    return Project(root, settings, tuple(written.warnings()))


def settings_of(data: Mapping[str, Any]) -> Settings:
    """The settings that the data of a file make.

    Raises:
        pydantic.ValidationError: When they do not fit the schema.
    """
    return Settings.model_validate(overrides.with_whole_environments(data))


def override_strategy(project: Project, environment: str, strategy: str) -> Project:
    """The same project with another strategy in one environment, as a command line asks.

    Raises:
        UsageError: When there is no such environment or strategy.
    """
    settings = project.settings
    known = strategy_names()
    if strategy not in known:
        raise UsageError(
            f"unknown strategy {strategy!r}{did_you_mean(strategy, known)}",
            remedy=f"strategies: {', '.join(known)}",
        )
    own = project.environment(environment)
    rollout = own.rollout.model_copy(update={"strategy": strategy})
    changed = own.model_copy(update={"rollout": rollout})
    environments = {**settings.environments, environment: changed}
    return replace(project, settings=settings.model_copy(update={"environments": environments}))


@dataclass(frozen=True)
class _Written:
    """A file as it was written, but for the names of its keys."""

    path: Path
    data: Mapping[str, Any]
    old: tuple[renamed.Renamed, ...]

    def validated(self) -> Settings:
        """What it says; every mistake is told at once."""
        settings, wrong = None, self._wrong_at_the_top()
        try:
            settings = settings_of(self.data)
        except ValidationError as error:
            wrong = [*error.errors(), *wrong]
        if settings is not None and not wrong:
            return settings
        # A misspelt key first: it is often why another one is missing.
        wrong.sort(key=lambda item: item["type"] != "extra_forbidden")
        lines = []
        for item in wrong:
            where = self._place(location_of(item))
            lines.append(f"{line_of(self.path, where)}: {describe(item, TowlineFile, where)}")
        # What is wrong at the top is wrong in every environment.
        raise self._mistake(*dict.fromkeys(lines))

    def require_order(self, settings: Settings) -> None:
        """Refuse an environment that comes after itself, or after one that does not exist."""
        known = settings.environments
        for name, item in known.items():
            if item.after and item.after not in known:
                where = ("environments", name, "after")
                raise self._mistake(
                    f"{line_of(self.path, where)}: `{dotted(where)}`: unknown environment "
                    f"{item.after!r}{did_you_mean(item.after, list(known))}"
                )
        try:
            overrides.in_order({name: item.after for name, item in known.items()})
        except ValueError as error:
            where = ("environments", str(error).split(" ")[0], "after")
            raise self._mistake(
                f"{line_of(self.path, where)}: `{dotted(where)}`: environments come after each "
                f"other in a circle: {error}"
            ) from None

    def warnings(self) -> Iterator[str]:
        """One for each key that is written by its old name."""
        for item in self.old:
            where = (*item.section, item.old)
            shown = f"{FILE}:{line_of(self.path, where)}: `{dotted(where)}`"
            yield renamed.warning(item, shown)

    def _wrong_at_the_top(self) -> list[Any]:
        """Mistakes in what is said of all environments, though each may say something else."""
        replaced = overrides.replaced_everywhere(self.data)
        if not replaced:
            return []
        try:
            Overridable.model_validate(replaced)
        except ValidationError as error:
            # What is missing may be written in each environment.
            return [item for item in error.errors() if item["type"] != "missing"]
        return []

    def _place(self, location: Location) -> Location:
        return renamed.as_written(overrides.written_at(self.data, location), self.old)

    def _mistake(self, first: str, *others: str) -> UsageError:
        return UsageError(
            f"{self.path}:{first}",
            details=[f"{FILE}:{line}" for line in others],
            remedy=f"fix {FILE} and run this again",
        )
