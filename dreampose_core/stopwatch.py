"""How long the stages of a clip take: measured while they run, remembered for the next one's estimate."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from dreampose_core.library.files import read_json, write_json
from dreampose_core.progress import TRAINING, Progress, Report

GUESSES = {  # seconds a unit
    "read": 0.2, "body": 0.2, "draw": 0.03, "fit": 6.0,
    "prepare": 10.0, "finetune": 1.0, "decoder": 1.0, "render": 0.15, "write": 0.1,
    "finetune set-up": 0.0, "decoder set-up": 0.0,
}  # fmt: skip
SET_UP = " set-up"  # of a training, before its first step: it takes as long for one step as for a hundred


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
            name = progress.stage + (SET_UP if progress.stage in TRAINING and progress.step == 0 else "")
            self.seconds[name] = self.seconds.get(name, 0.0) + now - self._last
            self._last = now
            if progress.stage != self._stage or progress.step == progress.total:
                self._keep()
            self._stage = progress.stage
            report(progress)

        return measured

    def summary(self) -> dict:
        """Seconds of each stage and of all, number of runs, and the process's peak memory in bytes."""
        stages = dict.fromkeys(name.removesuffix(SET_UP) for name in self.seconds)
        seconds = {stage: sum(self.seconds.get(name, 0.0) for name in (stage, stage + SET_UP)) for stage in stages}
        total = round(sum(self.seconds.values()), 3)
        return {
            "seconds": {stage: round(value, 3) for stage, value in seconds.items()},
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


def speeds_file(root: Path, device: str) -> Path:
    """Where the speeds of a torch device are kept under the root of the libraries."""
    return root / f"speeds-{device.replace(':', '-')}.json"


def expected_seconds(
    path: Path, profile: str, units: Mapping[str, int], ways: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Seconds each stage will take, by the speeds that `remember` kept in the file, else by a guess.

    units: how much of each stage there is to do (1 person, steps, frames times denoising steps, frames); ways: by the
    stage, what its speed depends on beside the profile. A way that was never gone takes as long as the last one did.
    """
    speeds, ways = GUESSES | (read_json(path) or {}).get(profile, {}), ways or {}

    def seconds(parts: Mapping[str, int]) -> float:
        return sum(speeds.get(_key(name, ways), speeds[name]) * amount for name, amount in parts.items())

    return {stage: seconds(_with_set_up({stage: amount})) for stage, amount in units.items()}


def remember(
    path: Path, profile: str, units: Mapping[str, int], watch: Stopwatch, ways: Mapping[str, str] | None = None
) -> None:
    """Keep the speeds of a job that ran in one piece; `units` and `ways` as for expected_seconds."""
    if watch.runs > 1:
        return
    kept = read_json(path) or {}
    parts = _with_set_up(units)
    new = {name: watch.seconds[name] / n for name, n in parts.items() if n and name in watch.seconds}
    new |= {_key(stage, ways or {}): speed for stage, speed in new.items()}
    write_json(path, kept | {profile: kept.get(profile, {}) | new})


def known_seconds(path: Path, profile: str, units: Mapping[str, int], ways: Mapping[str, str]) -> float | None:
    """Seconds of stages together by the speeds that are kept of the same ways, None where one is missing."""
    speeds = (read_json(path) or {}).get(profile, {})
    wanted = {_key(stage, ways): amount for stage, amount in units.items() if amount}
    if not wanted.keys() <= speeds.keys():
        return None
    parts = {_key(name, ways): amount for name, amount in _with_set_up(units).items()}
    return sum(speeds.get(key, 0.0) * amount for key, amount in parts.items())


def _with_set_up(units: Mapping[str, int]) -> dict[str, int]:
    """The units, and one set-up for each training among them."""
    return dict(units) | {stage + SET_UP: 1 for stage in TRAINING if units.get(stage)}


def _key(name: str, ways: Mapping[str, str]) -> str:
    way = ways.get(name.removesuffix(SET_UP))
    return f"{name} ({way})" if way else name
