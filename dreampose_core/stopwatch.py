"""How long the stages of a clip take: measured while they run, remembered for the next one's estimate."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from dreampose_core.library import read_json, write_json
from dreampose_core.progress import Progress, Report

GUESSES = {  # seconds a unit
    "read": 0.2, "draw": 0.03, "fit": 6.0,
    "prepare": 10.0, "finetune": 1.0, "decoder": 1.0, "render": 0.15, "write": 0.1,
}  # fmt: skip


class Stopwatch:
    """Measures stages by their reports; a file keeps the sums over the runs of a job that was interrupted.

    The time since the report before counts for the stage that a report names.
    """

    def __init__(self, path: Path) -> None:
        kept = read_json(path) or {"runs": 0, "seconds": {}}
        self.path, self.runs, self.seconds = path, kept["runs"] + 1, dict(kept["seconds"])
        self._last, self._stage = time.monotonic(), ""
        self._keep()

    def listen(self, report: Report) -> Report:
        """A report that measures and passes on."""

        def measured(progress: Progress) -> None:
            now = time.monotonic()
            self.seconds[progress.stage] = self.seconds.get(progress.stage, 0.0) + now - self._last
            self._last = now
            if progress.stage != self._stage or progress.step == progress.total:
                self._keep()
            self._stage = progress.stage
            report(progress)

        return measured

    def summary(self) -> dict:
        """Seconds of each stage and of all, number of runs, and the process's peak memory in bytes."""
        seconds = {stage: round(value, 3) for stage, value in self.seconds.items()}
        total = round(sum(self.seconds.values()), 3)
        return {
            "seconds": seconds,
            "total_seconds": total,
            "runs": self.runs,
            "peak_memory_bytes": peak_memory(),
        }

    def _keep(self) -> None:
        write_json(self.path, {"runs": self.runs, "seconds": self.seconds})


def peak_memory() -> int:
    """The largest resident size this process ever had, in bytes; a worker's is the peak of all its jobs."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in kilobytes


def expected_seconds(path: Path, profile: str, units: Mapping[str, int]) -> dict[str, float]:
    """Seconds each stage will take, by the speeds that `remember` kept in the file, else by a guess.

    units: how much of each stage there is to do (1 person, steps, frames times denoising steps, frames).
    """
    speeds = GUESSES | (read_json(path) or {}).get(profile, {})
    return {stage: speeds[stage] * amount for stage, amount in units.items()}


def remember(path: Path, profile: str, units: Mapping[str, int], watch: Stopwatch) -> None:
    """Keep the speeds of a job that ran in one piece; `units` as for expected_seconds."""
    if watch.runs > 1:
        return
    kept = read_json(path) or {}
    new = {stage: watch.seconds[stage] / n for stage, n in units.items() if n and stage in watch.seconds}
    write_json(path, kept | {profile: kept.get(profile, {}) | new})
