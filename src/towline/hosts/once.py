"""A property that is worked out once, while other hosts work out theirs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class once(Generic[T]):  # noqa: N801 - it reads as the decorator that it is
    """Like `functools.cached_property`, with a lock for each instance.

    Up to Python 3.11 that one has a single lock for all instances of a class, so that hosts would
    be asked one after another; since 3.12 it has none, and two threads would both ask.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> once[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> once[T] | T:
        """The value; it hides this descriptor from then on."""
        if instance is None:
            return self
        kept = instance.__dict__
        # `setdefault` of a dict is one step, whatever other threads do.
        with kept.setdefault(f"_{self._name}_lock", threading.RLock()):
            if self._name not in kept:
                kept[self._name] = self._make(instance)
        found: T = kept[self._name]
        return found
