"""The schema guard: what is known of the database's schema, or that nothing is.

Code of an older release may fail on a newer schema, so a rollback compares the migrations that were
applied since with those that its target knows. Where a job may change the schema and no record of
migrations exists, nothing can be compared: then plans say so, and a rollback asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from towline.config.loading import FILE
from towline.errors import UsageError
from towline.promotion.migrations import (
    SchemaDifference,
    compare_migrations,
    merge_differences,
)
from towline.state.releases import Release

_NAMED_AT_MOST = 10


@dataclass(frozen=True)
class SchemaVerdict:
    """What is known of the schema that a release would be started on.

    Attributes:
        target: Identifier of that release.
        difference: What the schema has gone through that the release does not know.
        unrecorded: Releases whose jobs may have changed the schema, and which record no migration.
    """

    target: str
    difference: SchemaDifference = field(default_factory=SchemaDifference)
    unrecorded: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """What a person has to decide, where nothing can be compared; else empty."""
        if not self.unrecorded or self.difference:
            return ""
        ran = _jobs_ran(self.unrecorded)
        return f"{ran}, and nothing tells whether the schema changed since {self.target}."

    def warnings(self) -> Iterator[str]:
        """For the plan of a rollback."""
        if self.difference:
            yield f"the schema changed since {self.target}: {_some(self.difference.lines())}"
        elif self.unrecorded:
            yield (
                f"{_jobs_ran(self.unrecorded)}, and nothing tells the schema: this rollback is not "
                f"guarded (set promote.migrations in {FILE})"
            )
        if self.difference.names_only:
            yield (
                "an older Towline recorded migrations by file name only: neither their paths nor "
                "their content are compared"
            )

    def refuse_changed(self) -> None:
        """Refuse to roll back where it is known that the schema changed.

        Raises:
            UsageError: When it did.
        """
        if self.difference:
            raise UsageError(
                f"the schema changed since {self.target}: {_some(self.difference.lines())}",
                remedy="if the older code works with the newer schema, add --keep-schema; "
                "nothing is undone in the database",
            )


def judge_rollback(
    live: Release | None, target: Release, releases: Sequence[Release]
) -> SchemaVerdict:
    """Compare what was applied since a release with what it knows.

    Not only the live release counts: one that failed, or was rolled back from, may have run its
    job too, and nobody undoes that in the database.

    Args:
        live: The release that serves.
        target: The release to roll back to.
        releases: Every retained release of the environment.
    """
    since = {item.id: item for item in releases if item.order > target.order}
    if live:
        since[live.id] = live
    since.pop(target.id, None)
    differences = [
        compare_migrations(item.migrations, target.migrations) for item in since.values()
    ]
    unrecorded = [name for name, item in since.items() if item.schema_jobs and not item.migrations]
    if not target.migrations and target.schema_jobs:
        # Its own record is empty: whatever the others list may be older than it, or newer.
        unrecorded = [name for name, item in since.items() if item.schema_jobs]
        differences = [
            SchemaDifference(changed=item.changed, names_only=item.names_only)
            for item in differences
        ]
    return SchemaVerdict(target.id, merge_differences(differences), tuple(sorted(unrecorded)))


def deploy_warnings(
    live: Release | None, release: str, jobs: Sequence[str], migrations: Mapping[str, str]
) -> tuple[str, ...]:
    """What the plan of a deploy says of the schema.

    Args:
        live: The release that serves.
        release: Identifier of the release to deploy.
        jobs: Its jobs that may change the schema.
        migrations: Its migrations.
    """
    found = []
    if jobs and not migrations:
        found.append(
            f"rollbacks are not guarded: {', '.join(jobs)} may change the schema, and nothing "
            f"tells how (let promote.migrations in {FILE} match the migrations, or set "
            "`changes_schema: false` for a job that does not)"
        )
    if live and migrations:
        difference = compare_migrations(live.migrations, migrations)
        if difference.changed:
            found.append(
                "migrations were changed after they were applied, and will not run again: "
                + _some(difference.changed)
            )
        if difference.unknown:
            found.append(
                f"the schema has migrations that {release} does not know: "
                + _some(difference.unknown)
            )
    return tuple(found)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def _jobs_ran(releases: Sequence[str]) -> str:
    return f"jobs of {_some(releases)} ran"
