"""Self-reenactment: every clip of a prepared test set made of its first frame and the poses of the rest.

For a model that reads carried pictures the photo is carried as in use: a body is laid on the clip's charts, the photo
becomes a sheet on it, and is drawn in the pose of every frame. Where no body can be laid on the charts, the model gets
the charts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dreampose_core.carry import Carried, make_sheet
from dreampose_core.evaluation.evaluation import Compared, clip_pictures, read_clip
from dreampose_core.film.finishing import Moves
from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.training.base import check_fit
from dreampose_core.training.clips import Clip, Clips
from dreampose_core.weights.checkpoints import new_folder
from pose_tools.body.chart_track import fit_sequence, holds, key_bodies
from pose_tools.body.figure import Pose
from pose_tools.body.fit import FittedBody
from pose_tools.body.track import Track
from pose_tools.errors import BadInput
from pose_tools.landmarks import find_landmarks
from pose_tools.sequence import PoseSequence

Say = Callable[[str], None]


def reenact(
    pipeline: DreamPosePipeline,
    clips: Clips,
    options: Mapping,
    frames: int | None = None,
    most: int | None = None,
    out: Path | None = None,
    say: Say = print,
) -> Iterator[Compared]:
    """The clips that were made, each beside the true frames after its first one.

    options: of the pipeline's `frames`; frames: of each clip; most: clips; out: a folder that keeps what was made, as
    pictures, from which the same command goes on. BadInput where the model is made for another size.
    """
    check_fit(pipeline, clips)
    for clip in clips.clips[:most]:
        end = len(clip) if frames is None else min(len(clip), frames + 1)
        truth = clip.frames(1, end)
        kept = out / clip.name if out is not None else None
        if kept is not None and kept.is_dir() and len(clip_pictures(kept)) == len(truth):
            made = read_clip(kept, None, None)
            if made.shape != truth.shape:
                raise BadInput(f"{kept} holds frames of another size; choose another folder.")
        else:
            made = _make(pipeline, clip, end, options, say)
            if kept is not None:
                _keep(kept, made)
        yield Compared(clip.name, made, truth)


def carry_along(photo: NDArray[np.uint8], poses: PoseSequence) -> Sequence[Carried] | None:
    """The photo, which shows frame 0 of the poses, carried to all the others; None where no body lies on the charts.

    The body moves across the picture by the pose's shift, since the camera of a sheet stands still. Cloth hangs still.
    """
    keys = key_bodies(poses.iuv)
    found = find_landmarks(photo) if keys else None
    if found is None:
        return None
    track = fit_sequence(poses, keys=keys)
    if not holds(track):
        return None
    body = FittedBody(track.shape, _moved(track, 0), track.cameras[0], overlap=1.0, error_px=0.0)
    return Moves(make_sheet(photo, found.mask, body), [_moved(track, frame) for frame in range(1, len(track))])


def _moved(track: Track, frame: int) -> Pose:
    """The pose of a frame as the camera of frame 0 would see it where the camera of its own does."""
    still, own = track.cameras[0], track.cameras[frame]
    across, up = (own.cx - still.cx) / still.scale, (still.cy - own.cy) / still.scale
    return replace(track.poses[frame], shift=np.array([across, 0.0, up]))


def _make(pipeline: DreamPosePipeline, clip: Clip, end: int, options: Mapping, say: Say) -> NDArray[np.uint8]:
    whole = clip.poses()
    photo, poses = clip.frame(0), PoseSequence(whole.iuv[1:end], whole.fps)
    carried = None
    if pipeline.carried:
        carried = carry_along(photo, PoseSequence(whole.iuv[:end], whole.fps))
        if carried is None:
            say(f"{clip.name}: no body lies well on the charts, so the photo is not carried along with them.")
        else:
            poses = PoseSequence(np.stack([one.iuv for one in carried]), whole.fps)
    return np.stack([frame for _, frame in pipeline.frames(photo, poses, carried, **options)])


def _keep(folder: Path, made: NDArray[np.uint8]) -> None:
    with new_folder(folder) as temporary:
        for number, frame in enumerate(made, 1):
            Image.fromarray(frame).save(temporary / f"frame_{number:05d}.png")
