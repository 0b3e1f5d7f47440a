"""All stages in order, for a subject and for a clip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dreampose_core.drive import clip_length, load_drive, make_poses
from dreampose_core.evaluation.readouts import MOST_FRAMES, read_out
from dreampose_core.fitting import keep_time, placed
from dreampose_core.library.entries import ClipEntry
from dreampose_core.library.files import write_json
from dreampose_core.photo import resized
from dreampose_core.progress import Report, silent
from dreampose_core.stopwatch import Stopwatch, remember
from dreampose_core.studio.order import Order
from dreampose_core.studio.pace import speeds_of, units_of, ways_of
from dreampose_core.studio.prepare import prepare
from dreampose_core.studio.render import backdrop_of, finish_of, render
from dreampose_core.studio.tune import tune
from dreampose_core.studio.write import pictures_of, write


def make_subject(order: Order, report: Report = silent) -> None:
    """Prepare and finetune a subject, or go on with it. Raises BadInput where the photo cannot be used."""
    order.folder.mkdir(parents=True, exist_ok=True)
    watch, units = Stopwatch(order.folder / "stages.json"), units_of(order)
    report = watch.listen(report)
    subject, sheet, pipeline = prepare(order, report)
    tune(order, pipeline, subject, sheet, report)
    remember(speeds_of(order), order.settings.profile, units, watch, ways_of(order))


def make_clip(order: Order, report: Report = silent) -> ClipEntry:
    """Make a clip, or go on with it. Raises BadInput where the photo or the poses cannot be used."""
    if (order.library.clip_folder(order.clip) / "clip.json").exists():
        return order.library.clip(order.clip)
    drive = load_drive(order.settings.motion, order.poses)
    backdrop_of(order)  # said before anything else is done
    order.folder.mkdir(parents=True, exist_ok=True)
    watch, units = Stopwatch(order.folder / "stages.json"), units_of(order)
    report = watch.listen(report)
    subject, sheet, pipeline = prepare(order, report)
    tuned, settings = tune(order, pipeline, subject, sheet, report)
    frames, alignment = clip_length(drive, settings.frames, settings.fps), None
    if settings.extraction:
        drive, frames = keep_time(drive, settings.frames, settings.fps)
    if settings.extraction or settings.hand != (1.0, 0.0, 0.0):
        alignment = placed(drive, subject, settings.hand)
    poses, moves = make_poses(drive, subject, frames, settings.fps, alignment)
    settings = replace(settings, frames=len(poses))
    finish = finish_of(order, subject, sheet, poses, moves)
    if not settings.refined and tuned.refiner is not None:
        tuned = tuned.with_parts(refiner=None)
    frames = render(order, settings, tuned, subject, finish, report)
    made = write(order, settings, subject, finish, frames, report)
    seen = pictures_of(frames[:MOST_FRAMES])
    seen = seen if finish.around is None else map(finish.around.cut, seen)
    seen = np.stack([resized(frame, poses.width, poses.height) for frame in seen])
    readouts = read_out(seen, poses.iuv[: len(seen)], subject.photo, subject.charts)
    about = {"settings": settings.to_dict(), "device": order.device, "frames": len(poses), "readouts": readouts}
    about |= {"carried": finish.moved is not None, "offload": order.offload, "compile": order.compile}
    write_json(made / "report.json", about | watch.summary())
    remember(speeds_of(order), settings.profile, units, watch, ways_of(order))
    title = order.library.subject(order.subject).title
    return order.library.add_clip(order.clip, made, order.subject, title, settings.to_dict())
