"""Settings from the environment."""

import os
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """What the service is told from outside.

    Attributes:
        faults: Ways to be bad on purpose: `health`, `errors`, `slow`, `exit`, `database`.
    """

    database_url: str = "sqlite+pysqlite:///:memory:"
    redis_url: str = ""
    version: str = ""
    release: str = ""
    commit: str = ""
    colour: str = ""
    faults: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def from_environment(cls) -> "Settings":
        """The settings of this process."""
        given = os.environ.get
        faults = given("NEWSROOM_FAULT", "").replace(" ", "").split(",")
        return cls(
            database_url=given("DATABASE_URL", cls.database_url),
            redis_url=given("REDIS_URL", ""),
            version=given("TOWLINE_VERSION", ""),
            release=given("TOWLINE_RELEASE", ""),
            commit=given("TOWLINE_COMMIT", ""),
            colour=given("TOWLINE_SLOT", ""),
            faults=frozenset(filter(None, faults)),
        )
