"""What the parts of the application share."""

from dataclasses import dataclass, field

from newsroom import __version__
from newsroom.cache import Cache, connect
from newsroom.database import Database
from newsroom.metrics import Metrics
from newsroom.settings import Settings


@dataclass
class Service:
    """The parts of a running application."""

    settings: Settings
    database: Database
    cache: Cache
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        """Name the release in the metrics."""
        release = self.settings.release or self.version
        self.metrics = Metrics(release, self.settings.colour)

    @property
    def version(self) -> str:
        """The release that runs."""
        return self.settings.version or __version__

    def broken(self, fault: str) -> bool:
        """Whether the service is to be bad on purpose in this way."""
        return fault in self.settings.faults


def build(settings: Settings) -> Service:
    """Connect nothing yet; the parts connect when they are first asked."""
    database = Database(settings.database_url, lost="database" in settings.faults)
    return Service(settings, database, connect(settings.redis_url))
