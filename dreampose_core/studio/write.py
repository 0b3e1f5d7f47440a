"""The files of a clip."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from dreampose_core.film.finishing import Finish
from dreampose_core.library.files import write_thumbnail
from dreampose_core.photo import resized
from dreampose_core.progress import Progress, Report
from dreampose_core.settings import AnimateSettings
from dreampose_core.studio.order import Order
from dreampose_core.subject import Subject
from pose_tools.draw import colour_iuv, enlarged
from pose_tools.video import side_by_side, write_frames_zip, write_gif, write_video


def write(
    order: Order,
    settings: AnimateSettings,
    subject: Subject,
    finish: Finish,
    frames: list[Path],
    report: Report,
) -> Path:
    """Write all files of a clip but its JSON into the folder `made` of the order, which is begun anew."""
    made, sound = order.folder / "made", order.sound
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    whole = (subject.fine or subject).photo
    poses, photo, (high, wide) = finish.poses, finish.framed(whole), whole.shape[:2]
    drawn = (finish.alone(enlarged(colour_iuv(iuv), wide, high)) for iuv in poses.iuv)
    width = round(photo.shape[1] * poses.height / photo.shape[0])
    small = (resized(frame, width, poses.height) for frame in pictures_of(frames))
    steps = (
        ("the video", lambda: write_video(pictures_of(frames), made / "video.mp4", settings.fps, sound)),
        (
            "the video side by side",
            lambda: write_video(
                side_by_side(photo, drawn, pictures_of(frames)), made / "side_by_side.mp4", settings.fps, sound
            ),
        ),
        ("the GIF", lambda: write_gif(small, made / "clip.gif", settings.fps)),
        ("the frames", lambda: write_frames_zip(frames, made / "frames.zip")),
        ("the poses", lambda: poses.save(made / "poses.npz")),
        ("the thumbnail", lambda: write_thumbnail(made / "thumbnail.jpg", next(pictures_of(frames)))),
    )
    for step, (what, do) in enumerate(steps):
        report(Progress("write", step, len(steps), message=f"Writing {what}"))
        do()
    report(Progress("write", len(steps), len(steps), message="Done"))
    return made


def pictures_of(files: list[Path]) -> Iterator[np.ndarray]:
    for file in files:
        yield np.asarray(Image.open(file))
