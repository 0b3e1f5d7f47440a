"""What a long job says about itself while it runs, and how it is stopped.

Every long function of this package takes a `report: Report` and calls it after each step. A caller that wants
the work to end raises `Cancelled` out of that call. Nothing here knows of jobs, pages or terminals.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

STAGES = ("prepare", "finetune", "decoder", "render", "write")  # of a film
READING, FITTING = ("read", "body", "draw"), ("fit",)  # of an extraction, and of putting poses on a photo
ORDER = (*READING, *FITTING, *STAGES)
TITLES = {
    "read": "Reading the poses",
    "body": "Laying a body under the poses",
    "draw": "Drawing the preview",
    "fit": "Putting the poses on the photo",
    "prepare": "Finding the person and the pose",
    "finetune": "Finetuning on this subject",
    "decoder": "Finetuning the decoder",
    "render": "Rendering frames",
    "write": "Writing the video",
}
TRAINING = ("finetune", "decoder")
UNEVEN = (
    "fit",
    "prepare",
    "write",
)  # their few steps differ, so that nothing follows from the speed of the first ones
BATCHED = ("render",)  # stages whose steps are told several at once
BATCH = 16  # steps that may be told together: the least of so many means is that of the end of a batch
TRUST_AFTER = 3  # measured steps count as much as what was expected from here on
LEAST, MOST = 0.25, 4.0


class Cancelled(Exception):
    """Raised out of a report: the work ends at once, and what is on disk stays for a later resume."""


@dataclass(frozen=True, eq=False)
class Progress:
    """One step of a long job.

    stage: one of ORDER; step: steps of the stage that are finished, 0..total; loss: the training loss of
    this step; preview: a live sample or the latest frame, uint8 (H, W, 3) RGB; message: one line for a
    person.
    """

    stage: str
    step: int
    total: int
    loss: float | None = None
    preview: np.ndarray | None = None
    message: str = ""


Report = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """A report that nobody reads."""


@dataclass
class SecondsLeft:
    """Estimates the seconds that are left of a whole job from the speeds of its stages.

    expected: seconds each coming stage is thought to take in full (earlier jobs on this machine, or a guess);
    a stage that is missing there will not be run. Of the running stage the measured speed takes over step by
    step, of a batch that at its end, and in between the seconds run down; a coming one counts by what was expected
    of it, stretched by how much slower or faster this job's own stages have been so far.
    """

    expected: Mapping[str, float]
    _begun: dict[str, float] = field(default_factory=dict)
    _marks: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    _paces: dict[str, deque[float]] = field(default_factory=dict)  # mean seconds a step, after each of the latest ones
    _totals: dict[str, int] = field(default_factory=dict)

    def update(self, progress: Progress, now: float | None = None) -> float:
        """Take in a step (now: seconds of a steady clock) and return the seconds left of the whole job."""
        now = time.monotonic() if now is None else now
        stage, marks = progress.stage, self._marks.setdefault(progress.stage, [])
        self._begun.setdefault(stage, now)
        if stage in TRAINING and progress.step == 0:
            # what comes before the first step is set-up, and no measure of a step
            marks.clear()
            self._paces.pop(stage, None)
        if not marks or progress.step != marks[-1][1]:
            marks.append((now, progress.step))
            del marks[1:-1]
            if (steps := progress.step - marks[0][1]) > 0:
                self._paces.setdefault(stage, deque(maxlen=BATCH)).append((now - marks[0][0]) / steps)
        self._totals[stage] = max(progress.total, 1)
        coming = sum(self.expected.get(later, 0.0) for later in ORDER[ORDER.index(stage) + 1 :])
        return self._running(stage, now) + coming * self._stretch()

    def _running(self, stage: str, now: float) -> float:
        """Seconds left of the stage that runs."""
        (start, first), (reached, step) = self._marks[stage][0], self._marks[stage][-1]
        total, expected = self._totals[stage], self.expected.get(stage, 0.0)
        if stage in UNEVEN:
            return max(0.0, expected - (now - start)) if step < total else 0.0
        left = expected * (1 - step / total)
        if (steps := step - first) > 0:
            measured = self._pace(stage) * (total - step)
            left = (steps * measured + TRUST_AFTER * left) / (steps + TRUST_AFTER) if expected else measured
        since = reached if step else self._begun[stage]  # the reports of a set-up do not begin it anew
        return max(left - (now - since), left / 2)

    def _pace(self, stage: str) -> float:
        """Mean seconds of a step so far; where steps are told in batches, that at the end of the latest one."""
        paces = self._paces[stage]
        return min(paces) if stage in BATCHED else paces[-1]

    def _stretch(self) -> float:
        """How many times longer than expected the measured steps took, within LEAST and MOST."""
        took = hoped = 0.0
        for stage, marks in self._marks.items():
            steps = marks[-1][1] - marks[0][1]
            if stage not in UNEVEN and steps >= TRUST_AFTER:
                took += steps * self._pace(stage)
                hoped += self.expected.get(stage, 0.0) * steps / self._totals[stage]
        return min(max(took / hoped, LEAST), MOST) if hoped > 0 else 1.0
