"""What is the same for all hosts of an environment is found out once."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class Memo:
    """Keeps the outcome of a question, also when it is an error; one thread asks, others wait."""

    _known: dict[Hashable, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def once(self, key: Hashable, ask: Callable[[], T]) -> T:
        """The outcome of `ask`; it is called for the first of equal keys only."""
        with self._lock:
            if key not in self._known:
                try:
                    self._known[key] = (ask(), None)
                except Exception as error:
                    self._known[key] = (None, error)
            outcome, failed = self._known[key]
        if failed is not None:
            raise failed
        return outcome  # type: ignore[no-any-return]
