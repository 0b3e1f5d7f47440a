"""What drives a clip: a motion (of the gallery or a file) on the subject's body, or charts from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from dreampose_core.subject import Subject
from pose_tools.body.figure import Pose, load_figure
from pose_tools.body.motion import Motion, find_motion, perform
from pose_tools.body.raster import draw_iuv
from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence


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
    drive: Motion | PoseSequence, subject: Subject, frames: int, fps: float
) -> tuple[PoseSequence, list[Pose] | None]:
    """The clip's charts at the subject's size, and the body's poses where there is a body in the drive.

    frames: as clip_length says; fps: frames a second of the clip.
    """
    height, width = subject.photo.shape[:2]
    if isinstance(drive, PoseSequence):
        return _fitting(drive.resample(fps, frames), width, height), None
    poses = perform(drive, subject.body, frames)
    figure, body = load_figure(), subject.body
    charts = [draw_iuv(figure, body.shape, pose, body.camera) for pose in poses]
    return PoseSequence(np.stack(charts), fps, {"motion": drive.name, "frames": frames}), poses


def _fitting(poses: PoseSequence, width: int, height: int) -> PoseSequence:
    """Charts at another size, not stretched: as high as the picture, cut or filled up at the sides."""
    poses = poses.resize(max(1, round(poses.width * height / poses.height)), height)
    cut = max(0, poses.width - width) // 2
    iuv = poses.iuv[:, :, cut : cut + width]
    room = width - iuv.shape[2]
    return replace(poses, iuv=np.pad(iuv, ((0, 0), (0, 0), (room // 2, room - room // 2), (0, 0))))
