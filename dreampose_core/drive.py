"""What drives a clip: a motion (of the gallery or a file) on the subject's body, or charts from a file.

Charts become a motion on the subject's own body where a body can be laid well on them, so that the photo can be
carried along; where none can, they are placed on the photo by the bodies that both show, and drive as charts alone.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from dreampose_core.subject import Subject
from pose_tools.align import ALIGNED, Alignment, align, apply
from pose_tools.body.chart_track import find_motion_in
from pose_tools.body.figure import Pose, load_figure
from pose_tools.body.motion import Motion, find_motion, perform
from pose_tools.body.raster import draw_iuv
from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence

WARNINGS = "warnings"  # in the config of a clip's poses: plain sentences
CHARTS_ALONE = "The poses do not show a body clearly enough, so the photo is not carried along with them."


def load_drive(motion: str, file: Path | None) -> Motion | PoseSequence:
    """The motion of a name, or what an .npz file (or the authors' folder of charts) holds in place of it.

    Raises BadInput for a name or a file that is none.
    """
    if file is None:
        return find_motion(motion)
    try:
        return PoseSequence.load(file)
    except BadInput as error:
        try:
            return Motion.load(file)
        except BadInput:
            raise error from None


def clip_length(drive: Motion | PoseSequence, frames: int, fps: float) -> int:
    """How many frames a clip has if `frames` are asked for: charts from a file end where they end."""
    return min(frames, max(1, round(drive.seconds * fps))) if isinstance(drive, PoseSequence) else frames


def make_poses(
    drive: Motion | PoseSequence, subject: Subject, frames: int, fps: float, alignment: Alignment | None = None
) -> tuple[PoseSequence, list[Pose] | None]:
    """The clip's charts at the subject's size, and the body's poses where there is a body in the drive.

    frames: as clip_length says; fps: frames a second of the clip. alignment: where charts are to lie on the photo if
    they drive alone, which they do where no body fits them, and where a hand has corrected the alignment (this one, or
    the one by which pose_tools.align placed them before). The charts' config holds under WARNINGS what a person should
    know. The same drive gives the same poses. Raises BadInput where the charts show nobody.
    """
    if isinstance(drive, Motion):
        return _on_body(drive, subject, frames, fps, {"motion": drive.name})
    charts = drive.resample(fps, frames)
    height, width = subject.photo.shape[:2]
    placed = charts.config.get(ALIGNED) if (charts.height, charts.width) == (height, width) else None
    by_hand = alignment.by_hand if alignment else bool(placed and placed["by_hand"])
    motion = None if by_hand else find_motion_in(charts)
    if motion is not None:
        return _on_body(motion, subject, frames, fps, {**charts.config, "motion": "charts"})
    warnings = [] if by_hand else [CHARTS_ALONE]
    if alignment is None and placed is None:
        alignment = align(charts, subject.charts)
    if alignment is not None:
        warnings += alignment.warnings
        charts = apply(charts, alignment, width, height)
    return replace(charts, config={**charts.config, WARNINGS: warnings}), None


def _on_body(
    motion: Motion, subject: Subject, frames: int, fps: float, config: dict
) -> tuple[PoseSequence, list[Pose]]:
    figure, body = load_figure(), subject.body
    poses = perform(motion, body, frames)
    charts = [draw_iuv(figure, body.shape, pose, body.camera) for pose in poses]
    return PoseSequence(np.stack(charts), fps, {**config, "frames": frames, WARNINGS: []}), poses
