"""Which function does which kind of job: a table that other modules may add to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dreampose_core.jobs.events import Job
from dreampose_core.library.library import Library
from dreampose_core.progress import Report


@dataclass(frozen=True)
class Work:
    """What a kind's function is given.

    folder: the job's own, with the files that were handed in; device: a torch device such as "cpu"; report:
    to be called after every step, it may raise Cancelled.
    """

    job: Job
    library: Library
    folder: Path
    device: str
    report: Report


@dataclass(frozen=True)
class Kind:
    """run: does the whole job and returns its result, a JSON object.

    It goes on from what an earlier, killed run left in the folders, and then ends with what an undisturbed
    run makes. expected: seconds that each stage will take, by a guess or by earlier jobs.
    """

    run: Callable[[Work], Mapping]
    expected: Callable[[Work], Mapping[str, float]]


KINDS: dict[str, Kind] = {}
