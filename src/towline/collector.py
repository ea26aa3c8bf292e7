"""Work that makes many objects and no cycles, without Python looking for cycles meanwhile."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Python's own 700 are reached by every module; so many take some megabytes.
_MANY = 50_000


@contextmanager
def collector_off() -> Iterator[None]:
    """Switch the cyclic garbage collector off for a while; also usable as a decorator.

    It looks through all objects again and again as they grow more: a fifth of the time of a plan
    for ten thousand files. What is no longer used is freed by reference counts as ever.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def rarely() -> None:
    """Let the collector look seldom in this process, and never at what is loaded by now.

    For a program that runs one command: half of the objects that it makes are modules, which stay.
    """
    gc.freeze()
    gc.set_threshold(_MANY, 20, 50)
