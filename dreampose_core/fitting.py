"""How a motion lies on a photo before anything is generated: a few of its moments, and what a hand corrects.

A motion with a body is put on the person's own body and needs no correction. Charts alone are placed by the bodies
that they and the photo show, and a person may change their size and place. Knows nothing of models.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from dreampose_core.drive import CHARTS_ALONE
from dreampose_core.library.files import read_json, write_json
from dreampose_core.subject import Subject
from pose_tools.align import Alignment, align, apply
from pose_tools.body.figure import load_figure
from pose_tools.body.motion import Motion, perform
from pose_tools.body.raster import draw_iuv
from pose_tools.draw import overlay
from pose_tools.errors import BadInput
from pose_tools.files import load_arrays, save_arrays
from pose_tools.sequence import PoseSequence

MOMENTS = 5
MOST_BYTES = 64 << 20  # of the moments' charts
Hand = tuple[float, float, float]  # what a hand corrects: the scale, and the shift in widths and heights of the picture


@dataclass(frozen=True, eq=False)
class Fitting:
    """A motion's moments on a photo.

    photo: uint8 (H, W, 3); charts: uint8 (K, h, w, 3); alignment: where they fall in the photo, None where they are
    drawn on the person's own body, at the photo's size; warnings: plain sentences.
    """

    photo: np.ndarray
    charts: np.ndarray
    alignment: Alignment | None
    warnings: tuple[str, ...]

    def save(self, folder: Path) -> None:
        """Write photo.png, moments.npz and then fitting.json into a folder that exists."""
        Image.fromarray(self.photo).save(folder / "photo.png")
        save_arrays(folder / "moments.npz", {"charts": self.charts})
        where = None
        if self.alignment:
            where = {"scale": self.alignment.scale, "x": self.alignment.x, "y": self.alignment.y}
            where |= {"feet": self.alignment.feet}
        write_json(folder / "fitting.json", {"alignment": where, "warnings": self.warnings})

    @classmethod
    def load(cls, folder: Path) -> Fitting:
        """Read what `save` wrote. BadInput where it is not there."""
        facts = read_json(folder / "fitting.json")
        if facts is None:
            raise BadInput("The poses have not been put on this photo yet.")
        charts = load_arrays(folder / "moments.npz", {"charts": MOST_BYTES})["charts"]
        photo = np.array(Image.open(folder / "photo.png"))
        where = facts["alignment"]
        if where:
            where = Alignment(**where | {"feet": tuple(where["feet"])}, width=photo.shape[1], height=photo.shape[0])
        return cls(photo, charts, where, tuple(facts["warnings"]))

    def pictures(self, hand: Hand = (1.0, 0.0, 0.0)) -> list[np.ndarray]:
        """The moments over the photo, each uint8 (H, W, 3)."""
        charts = self.charts
        if self.alignment:
            height, width = self.photo.shape[:2]
            charts = apply(PoseSequence(charts, 1.0), self.alignment.adjusted(*hand), width, height).iuv
        return [overlay(self.photo, iuv) for iuv in charts]


def fit_motion(drive: Motion | PoseSequence, subject: Subject) -> Fitting:
    """Put a few moments of a motion on a subject's photo. BadInput where the poses show nobody."""
    at = np.unique(np.linspace(0, len(drive) - 1, MOMENTS).round().astype(int))
    if isinstance(drive, PoseSequence):
        alignment = align(drive, subject.charts)
        return Fitting(subject.photo, drive.iuv[at], alignment, (CHARTS_ALONE, *alignment.warnings))
    poses, figure, body = perform(drive, subject.body, len(drive)), load_figure(), subject.body
    charts = np.stack([draw_iuv(figure, body.shape, poses[i], body.camera) for i in at])
    return Fitting(subject.photo, charts, None, ())


def placed(drive: Motion | PoseSequence, subject: Subject, hand: Hand) -> Alignment | None:
    """Where a hand has put charts on a subject's photo; None for a motion, which lies on the body."""
    return None if isinstance(drive, Motion) else align(drive, subject.charts).adjusted(*hand)


def keep_time(drive: Motion | PoseSequence, frames: int, fps: float) -> tuple[Motion | PoseSequence, int]:
    """The beginning of a motion that `frames` at `fps` last, and the frames that there are of it at its own speed."""
    frames = min(frames, max(1, round(drive.seconds * fps)))
    if not isinstance(drive, Motion):
        return drive, frames
    kept = min(len(drive), max(2, round(frames / fps * drive.fps)))
    part = {name: getattr(drive, name)[:kept] for name in ("rotations", "yaw", "contacts")}
    part["path"] = None if drive.path is None else drive.path[:kept]
    return replace(drive, **part, loop=drive.loop and kept == len(drive)), frames
