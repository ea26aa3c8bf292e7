"""The sections of `towline.yaml` on versions and promotion, which are the whole project's."""

import re
from typing import Literal

from pydantic import Field, field_validator

from towline.config.model import Command, Model

Bump = Literal["major", "minor", "patch", "none"]


class VersionPattern(Model):
    """A version file of any kind: the version stands where a pattern says."""

    file: str
    pattern: str = Field(
        description="Text around the version as it stands in the file, such as `release = "
        '"{version}"`; it must be found once.'
    )

    @field_validator("pattern")
    @classmethod
    def _has_a_place(cls, given: str) -> str:
        if given.count("{version}") != 1:
            raise ValueError("write {version} once, where the version stands")
        return given


VersionFile = str | VersionPattern


# Words of a prerelease by semver.org; one of digits alone would be its number.
_WORD = r"[0-9A-Za-z-]*[A-Za-z-][0-9A-Za-z-]*"
_LABEL = re.compile(rf"{_WORD}(?:\.{_WORD})*", re.ASCII)


class Versions(Model):
    """How commits become versions, tags and a changelog."""

    tag: str = Field("v{version}", description="Form of the tags; `shop-v{version}` for a part.")
    files: list[VersionFile] = Field(
        [],
        description="Files with the version, from the root; default: promote.version_files.",
    )
    paths: list[str] = Field(
        [], description="Only commits that touch these paths count; default: the source tree."
    )
    types: dict[str, Bump] = Field(
        {},
        description="Commit type -> the part it bumps; over feat minor, fix, perf, revert patch.",
    )
    breaking: Bump = Field("major", description="The part that a breaking change bumps.")
    other: Bump = Field(
        "none", description="The part that a commit without a conventional message bumps."
    )
    pre_1_0: dict[Literal["major", "minor"], Bump] = Field(
        {},
        description="Below 1.0.0: what is bumped instead, such as `{major: minor, minor: patch}`.",
    )
    squash: bool = Field(True, description="Count the commits that a squash commit lists.")
    channels: dict[str, str] = Field(
        {},
        description="Branch (or pattern) -> label of its prereleases, such as `rc`; empty: final.",
    )
    first: str = Field("", description="Version of the first release, where nothing else tells.")
    ignore_tags: list[str] = Field([], description="Patterns of tags that are no versions.")
    changelog: str = Field("CHANGELOG.md", description="The changelog, from the root.")
    sections: dict[str, str] = Field(
        {},
        description="Commit type -> heading in the changelog; empty: left out. Over feat Added, "
        "fix Fixed, perf Changed, revert Removed, security Security, deprecate Deprecated.",
    )
    url: str = Field("", description="Web address of the repository; default: from its remote.")

    @field_validator("tag")
    @classmethod
    def _is_a_form(cls, given: str) -> str:
        if given.count("{version}") != 1:
            raise ValueError("write {version} once, such as v{version}")
        return given

    @field_validator("channels")
    @classmethod
    def _labels_make_versions(cls, given: dict[str, str]) -> dict[str, str]:
        for branch, label in given.items():
            if label and not _LABEL.fullmatch(label):
                likely = re.sub(r"[^0-9A-Za-z]+", "-", label).strip("-")
                likely = likely if _LABEL.fullmatch(likely) else f"rc-{likely}".rstrip("-")
                raise ValueError(
                    f"{branch}: the label {label!r} makes no semantic version: write letters, "
                    f"digits and hyphens, and no number alone, such as {likely}"
                )
        return given


class Promotion(Model):
    """How the source tree becomes the deploy tree."""

    test: Command = Field([], description="Command that must pass first; runs in the source tree.")
    copy_: dict[str, str] = Field(
        {"src": "src"},
        alias="copy",
        description="What to copy: path in the source tree -> path in the deploy tree.",
    )
    include: list[str] = Field(
        [], description="If given, only what these patterns (gitignore syntax) match is copied."
    )
    exclude: list[str] = Field(
        ["__pycache__/", "*.pyc", ".pytest_cache/", ".env", ".env.*", "!.env.example"],
        description="What stays behind, in gitignore syntax.",
    )
    version_files: list[VersionFile] = Field(
        [],
        description="Files in the source tree with the version: pyproject.toml, package.json, "
        "Chart.yaml, a Python module with __version__, a plain VERSION file, or a pattern.",
    )
    migrations: list[str] = Field(
        [],
        description="Globs in the deploy tree; these files tell which schema a release knows.",
    )
    requirements: str = Field(
        "",
        description="Requirements of the source tree (requirements.in, requirements.txt, "
        "pyproject.toml) to lock with hashes in generated/requirements.txt.",
    )
    pin_images: bool = Field(
        False, description="Record the digest of each image that a registry or the engine knows."
    )
    commit: bool = Field(True, description="Commit the promoted tree.")
    remote: str = Field("origin", description="Git remote that --push and --pr use.")
    base: str = Field("", description="Branch of pull requests; default: the remote's own.")
