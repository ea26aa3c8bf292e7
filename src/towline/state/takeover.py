"""Whether a lock is stale, and taking it over.

No clock of a host counts: it may be set forward and back. Whoever wants the lock watches by its
own monotonic clock whether the holder renews it; one that does not for a whole lease is gone. The
age of the file, by the host's clock, only says whether watching is worth while.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from towline.hosts.base import Files
from towline.state.lock_file import Holder, read

# A claim is held for the time of two small files.
_CLAIM = 10.0


def looks_alive(files: Files, path: Path, holder: Holder) -> bool:
    """Whether a holder seems to be alive, as far as one look can tell.

    It says so for as long as a lease after a clock was set; nothing is taken on its word.
    """
    if holder.is_dead:
        return False
    try:
        return abs(files.age(path)) <= holder.lease
    except FileNotFoundError:
        return False


@dataclass(frozen=True)
class Look:
    """What a lock looks like to one who watches it.

    Attributes:
        holder: Who holds it; None when nobody does.
        stale: Whether the holder is gone.
        renewed: Whether the holder gave a sign of life since an earlier look.
    """

    holder: Holder | None
    stale: bool = False
    renewed: bool = False


@dataclass
class Watch:
    """What one who wants a lock saw of its holder.

    Attributes:
        clock: Seconds that cannot be set.
    """

    files: Files
    path: Path
    clock: Callable[[], float] = time.monotonic
    _seen: Holder | None = None
    _since: float = 0.0
    _claims: dict[str, float] = field(default_factory=dict)

    def look(self) -> Look:
        """Read the lock once more."""
        # The question is older than the answer: a slow host must not make a holder look slow.
        asked = self.clock()
        holder, before = read(self.files, self.path), self._seen
        if holder is None or holder.is_dead:
            return Look(holder, stale=holder is not None)
        if holder.beat < 0:
            # An earlier version, which does not count; there is only the file's age.
            return Look(holder, stale=not looks_alive(self.files, self.path, holder))
        if holder == before:
            return Look(holder, stale=asked - self._since > holder.lease)
        self._seen, self._since = holder, self.clock()
        return Look(holder, renewed=before is not None and before.token == holder.token)

    def take_over(self, old: Holder, content: bytes) -> bool:
        """Replace a stale lock. Of many takers one creates the claim named after that very lock."""
        claim = self.path.with_name(f"{self.path.name}.claim-{old.token or 'torn'}")
        if not self.files.create(claim, b""):
            self._forget_stale(claim)
            return False
        try:
            current = read(self.files, self.path)
            # Someone who claimed before us may have finished in between.
            if current is None or current != old:
                return False
            self.files.write(self.path, content, 0o600)
        finally:
            self.files.remove(claim)
        self._claims.clear()
        return True

    def _forget_stale(self, claim: Path) -> None:
        """Remove a claim whose maker died; the next try may claim again."""
        first = self._claims.setdefault(claim.name, self.clock())
        if self.clock() - first > _CLAIM:
            del self._claims[claim.name]
            with suppress(FileNotFoundError):
                self.files.remove(claim)
