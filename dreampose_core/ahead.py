"""Items that take a while to make, made in threads: numpy and OpenCV let go of the interpreter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def made_ahead(items: Sequence[Item], batches: Sequence[Sequence[int]], ahead: bool) -> Iterator[list[Item]]:
    """The items of each batch of indices, those of one batch beside each other. ahead: those of the next batch are
    begun while the caller is busy with this one, which is right where that is not on the same processors.

    What making an item raises is raised here. Who stops early waits only for what has been begun.
    """
    threads = ThreadPoolExecutor()

    def begin(batch: Sequence[int]) -> list[Future[Item]]:
        return [threads.submit(items.__getitem__, index) for index in batch]

    try:
        coming = begin(batches[0]) if batches else []
        for following in [*batches[1:], []][: len(batches)]:
            now = coming
            if ahead:
                coming = begin(following)
            yield [one.result() for one in now]
            if not ahead:
                coming = begin(following)
    finally:
        threads.shutdown(cancel_futures=True)
