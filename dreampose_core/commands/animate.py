"""`animate`: a photo or a subject, and a motion, into a clip; the library keeps the subject.

A driving video is read first; the library keeps its motion, and the clip has its sound.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from dreampose_core.commands.common import (
    TUNING,
    add_settings,
    add_subject_arguments,
    alone,
    check_source,
    device_of,
    hash_of,
    make_order,
    progress_lines,
    settings_in,
)
from dreampose_core.extraction import check_request, expected_to_read, read_motion
from dreampose_core.film.background import COLOUR, KEEP, PICTURE, PLAIN
from dreampose_core.library.entries import MotionEntry
from dreampose_core.library.library import Library
from dreampose_core.settings import RULES, SWITCHES, AnimateSettings
from dreampose_core.studio import expected, make_clip
from pose_tools.errors import BadInput
from pose_tools.estimators.choose import AUTO, NAMES
from pose_tools.extract import Request
from pose_tools.video import VIDEOS

CHOSEN = (  # settings of the film that the command line takes as they are
    *("fps", "steps", "s1", "s2", "guidance_interval", "scheduler"),
    *("start_from", "strength", "pull", "scale", "shift_x", "shift_y", "framing"),
    *SWITCHES,
)
ENDINGS = (".mp4", ".gif")
FRAMES = 36  # of a clip that follows no video


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_subject_arguments(parser)
    parser.add_argument(
        "--motion", required=True, metavar="NAME|FILE", help="of the gallery, poses as .npz, or a video to follow"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the clip, .mp4 or .gif")
    parser.add_argument(
        "--side-by-side", type=Path, metavar="FILE", help="photo, pose and clip beside each other"
    )
    parser.add_argument(
        "--frames", type=int, metavar="N", help=f"default {FRAMES}, or as long as the video that is followed"
    )
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="second of the video to begin at")
    parser.add_argument("--end", type=float, metavar="S", help="second of the video to end at")
    parser.add_argument("--estimator", choices=NAMES, default=AUTO, help="of the video's poses, default %(default)s")
    parser.add_argument(
        "--person", metavar="X,Y", help="a point on whom to follow in the first frame of a video of several, 0 to 1"
    )
    add_settings(parser, CHOSEN)
    parser.add_argument(
        "--background",
        metavar="keep|#RRGGBB|FILE",
        default=KEEP,
        help="behind the person: the photo's own (default), a plain colour, or a picture",
    )
    parser.add_argument("--offload", action="store_true", help="for small cards: only what is at work lies on the card")
    parser.add_argument("--compile", action="store_true", help="compile the networks: for many frames on a card")
    parser.add_argument("--report", type=Path, metavar="FILE", help="seconds, memory and settings as JSON")


def run(options: argparse.Namespace) -> int:
    """Make the clip and copy it to where it is wanted. Raises BadInput."""
    copies = {"out": options.out, "side_by_side": options.side_by_side, "report": options.report}
    for path in filter(None, copies.values()):
        if not path.resolve().parent.is_dir():
            raise BadInput(f"There is no folder {path.parent} to write {path.name} into.")
    if options.out.suffix not in ENDINGS:
        raise BadInput(f"--out must end in {' or '.join(ENDINGS)}.")
    path = Path(options.motion)
    file = path if path.suffix.lower() in {".npz", *VIDEOS} or path.exists() else None
    follow = file is not None and not file.is_dir() and file.suffix != ".npz"
    if file is not None and not file.exists():
        raise BadInput(f"There is no {'video' if follow else 'pose file'} named {file}.")
    backdrop = None if options.background.startswith("#") or options.background == KEEP else Path(options.background)
    settings = AnimateSettings(
        motion=file.stem if file else options.motion,
        frames=FRAMES if options.frames is None else options.frames,
        profile=options.profile,
        **settings_in(options, (*TUNING, *CHOSEN)),
        background=PICTURE if backdrop else PLAIN if options.background != KEEP else KEEP,
        background_colour=options.background if options.background.startswith("#") else COLOUR,
    )
    if options.person is not None and not follow:
        raise BadInput("--person is for a video that is followed; please leave it out.")
    sound = None
    if follow:
        motion = _follow(options, file)
        frames = options.frames or max(1, round(motion.seconds * options.fps))
        settings = replace(settings, frames=frames, extraction=motion.id)
        file, sound = motion.drive, motion.sound
    order = make_order(options, settings, file, sound, backdrop)
    order = replace(order, offload=options.offload, compile=options.compile)
    with alone(order.library, order.subject):
        clip = make_clip(order, progress_lines(expected(order)))
        order.library.delete_job_folder(order.clip)
    shutil.copyfile(clip.gif if options.out.suffix == ".gif" else clip.video, options.out)
    if options.side_by_side:
        shutil.copyfile(clip.side_by_side, options.side_by_side)
    if options.report:
        shutil.copyfile(clip.report, options.report)
    print(f"{options.out} is written; another motion: --subject {clip.subject}", file=sys.stderr)
    return 0


def _follow(options: argparse.Namespace, video: Path) -> MotionEntry:
    """The motion of a video, read now or by an earlier run of the same command. Raises BadInput."""
    person = None if options.person is None else _point(options.person)
    request = Request(
        video, float(options.fps), options.start, options.end, options.estimator, person, device=device_of(options)
    )
    check_source(options)
    info = check_request(request)
    end = info.seconds if options.end is None else options.end
    if (end - options.start) * options.fps > RULES["frames"].most:
        raise BadInput(f"A film has at most {RULES['frames'].most} frames; choose a shorter part, or a smaller --fps.")
    library = Library(options.library)
    motion = hash_of(video, [request.fps, request.start, request.end, request.estimator, *(person or ())])
    with alone(library, motion, "video"):
        folder = library.job_folder(motion)
        try:
            return read_motion(
                library, motion, request, video.stem, folder, progress_lines(expected_to_read(library, request))
            )
        finally:
            library.delete_job_folder(motion)


def _point(text: str) -> tuple[float, float]:
    """X,Y with both in 0 to 1. Raises BadInput."""
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        x = y = -1.0
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise BadInput("--person is a point like 0.3,0.5: from the left and from the top, 0 to 1.")
    return x, y
