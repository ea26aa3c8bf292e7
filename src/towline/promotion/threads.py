"""The same work on many files, in a few threads: reading, writing and hashing let go of Python."""

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

_FEW = 32
_MOST = 4

Item = TypeVar("Item")


def for_each(work: Callable[[Item], None], items: Sequence[Item]) -> None:
    """Do some work on each item, in any order; a few items are done one after the other.

    Raises:
        Exception: What the work raises first; the rest is left undone.
    """
    workers = min(_MOST, os.cpu_count() or 1)
    if len(items) < _FEW or workers == 1:
        for item in items:
            work(item)
        return
    from concurrent.futures import ThreadPoolExecutor

    queue = iter(items)
    is_over = False

    def drain() -> None:
        nonlocal is_over
        try:
            for item in queue:
                work(item)
                if is_over:
                    return
        except BaseException:
            is_over = True
            raise

    with ThreadPoolExecutor(workers) as pool:
        try:
            for done in [pool.submit(drain) for _ in range(workers)]:
                done.result()
        except BaseException:
            # Ctrl-C comes here: the threads end with the file they are at.
            is_over = True
            raise
