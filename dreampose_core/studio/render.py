"""The frames of a clip, one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dreampose_core.carry import Sheet, for_film, swings
from dreampose_core.film.background import choose
from dreampose_core.film.finishing import Finish, Moves
from dreampose_core.film.surroundings import PHOTO, Surroundings
from dreampose_core.guidance import Guidance
from dreampose_core.library.files import write_picture
from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.progress import Report
from dreampose_core.settings import AnimateSettings
from dreampose_core.studio.order import Order, beginning
from dreampose_core.studio.prepare import SHEET
from dreampose_core.subject import FINE_FOLDER, Subject
from dreampose_core.weights.checkpoints import FINISHED
from pose_tools.body.figure import Pose
from pose_tools.sequence import PoseSequence


def finish_of(order: Order, subject: Subject, sheet: Sheet, poses: PoseSequence, moves: list[Pose]) -> Finish:
    """How the frames of a clip in these poses are finished; moves: the body's, none where the charts drive alone."""
    finer = 1
    if moves and subject.fine is not None and order.settings.detailed:
        sheet = Sheet.load(order.library.subject_folder(order.subject) / FINE_FOLDER / SHEET)
        finer = len(subject.fine.photo) // len(subject.photo)
    around = subject.around if order.settings.framing == PHOTO else None
    backdrop = backdrop_of(order, around)
    old = None if backdrop is None else sheet.background
    swung = swings(sheet.body, moves, poses.fps) if moves and order.settings.swinging else None
    return Finish(poses, Moves(for_film(sheet, moves), moves, swung) if moves else None, finer, backdrop, old, around)


def backdrop_of(order: Order, around: Surroundings | None = None) -> np.ndarray | None:
    """The background that is asked for, at the size of the photo around or at twice the profile's; None to keep the
    photo's. Raises BadInput."""
    asked, profile = order.settings, order.profile
    width, height = 2 * profile.width, 2 * profile.height
    if around is not None:
        height, width = around.photo.shape[:2]
    return choose(asked.background, asked.background_colour, order.backdrop, width, height)


def render(
    order: Order,
    settings: AnimateSettings,
    pipeline: DreamPosePipeline,
    subject: Subject,
    finish: Finish,
    report: Report,
) -> list[Path]:
    """Render every frame that is not on disk yet; returns the files of all.

    Frames that are rendered together and were cut off are rendered anew as a whole, for equal results.
    """
    folder, profile = order.folder / "frames", order.profile
    folder.mkdir(exist_ok=True)
    files = [folder / f"frame_{i:04d}.png" for i in range(len(finish))]
    _put_away_old(order, files)
    interval = settings.guidance_interval or profile.guidance_interval
    guidance = Guidance(settings.s1, settings.s2, interval)
    if order.compile:
        pipeline.compile()
    size = profile.batch or pipeline.batch_for(profile.height, profile.width, guidance)
    batches = [range(i, min(i + size, len(files))) for i in range(0, len(files), size)]
    missing = [i for batch in batches if not all(files[i].exists() for i in batch) for i in batch]
    if not missing:
        return files
    start, strength, pull = beginning(settings, profile, finish.moved is not None)
    rendered = pipeline.frames(
        subject.photo,
        finish.poses,
        None if finish.moved is None else finish,
        num_inference_steps=settings.steps,
        s1=settings.s1,
        s2=settings.s2,
        guidance_interval=interval,
        scheduler=settings.scheduler or profile.scheduler,
        seed=settings.seed,
        start=start,
        strength=strength,
        pull=pull,
        batch_size=size,
        only=missing,
        report=report,
    )
    for index, frame in rendered:
        write_picture(files[index], finish.put(index, frame))
    return files


def _put_away_old(order: Order, frames: list[Path]) -> None:
    """Delete the frames that are older than a sheet or a finetune of theirs, as one of an earlier version is laid anew:
    half a film of each would not fit together."""
    subject, asked = order.library.subject_folder(order.subject), order.settings
    sources = [subject / SHEET]
    sources += [subject / FINE_FOLDER / SHEET] if asked.detailed else []
    sources += [order.tuned_folder / FINISHED] if asked.finetuned else []
    laid = max(path.stat().st_mtime_ns for path in sources if path.exists())
    for frame in frames:
        if frame.exists() and frame.stat().st_mtime_ns < laid:
            frame.unlink()
