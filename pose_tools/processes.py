"""Jobs by several processes. Knows nothing of what they do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

import cv2

from pose_tools.errors import BadInput

Job, Result = TypeVar("Job"), TypeVar("Result")


def in_processes(work: Callable[[Job], Result], jobs: Iterable[Job], processes: int) -> Iterator[Result]:
    """What `work` makes of every job: in order and in this process where one is enough, else as they are done.

    work and jobs go to the processes pickled. Those start anew, since copies of a process that has threads may hang,
    and each computes with its share of the cores. Where one job raises, or the caller stops reading, no further one is
    begun. BadInput where a process is ended from outside.
    """
    if processes <= 1:
        yield from map(work, jobs)
        return
    pool = ProcessPoolExecutor(
        processes, mp_context=get_context("spawn"), initializer=_take_share, initargs=(processes,)
    )
    try:
        for future in as_completed([pool.submit(work, job) for job in jobs]):
            yield future.result()
    except BrokenProcessPool as error:
        raise BadInput(
            "A process was ended from outside, perhaps for want of memory; the same command with fewer --processes "
            "goes on from here."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _take_share(processes: int) -> None:
    """Many processes with a thread for every core each would only wait for each other."""
    threads = max(1, (os.cpu_count() or 1) // processes)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # which torch reads when a job's function is imported
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    cv2.setNumThreads(threads)
