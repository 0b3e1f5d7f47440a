"""The one way from a driving video to a motion in the library, shared by the worker, the page and the command line.

read (the poses of one person) -> body (where they are charts alone: the body that moves under them) -> draw (the
preview), then the sound of the same part, a small moving picture, and the motion's folder, which appears whole or not
at all. Knows nothing of jobs.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from dreampose_core.library.entries import MotionEntry
from dreampose_core.library.library import Library
from dreampose_core.progress import Progress, Report, silent
from dreampose_core.stopwatch import Stopwatch, expected_seconds, remember
from pose_tools.body.chart_track import find_motion_in
from pose_tools.body.gallery import PAPER
from pose_tools.draw import colour_iuv
from pose_tools.errors import BadInput
from pose_tools.estimators.choose import AUTO, LITE, NAMES
from pose_tools.extract import Extracted, Request, check_video, extract_poses, write_preview
from pose_tools.files import replacing
from pose_tools.finding import extent
from pose_tools.sequence import PoseSequence
from pose_tools.video import VideoInfo, cut_sound

MAX_SECONDS = 60.0  # of a driving video that are read at once
PREVIEW_EVERY = 0.7  # seconds between live pictures
THUMBNAIL, THUMBNAIL_FRAMES = (160, 200), 16  # pixels (width, height); pictures of the moving one
DOING = {"read": "Reading", "body": "Fitting", "draw": "Drawing"}
SOUND_LEFT_OUT = "The sound is left out, because parts of the video were left out in between."


def check_request(request: Request) -> VideoInfo:
    """What the video says of itself. BadInput, one sentence, if it or the part of it that is wanted cannot be read."""
    if request.estimator not in NAMES:
        raise BadInput(f"There is no estimator named {request.estimator}; there are {', '.join(NAMES)}.")
    if not 1 <= request.fps <= 60:
        raise BadInput("Poses are read at 1 to 60 frames a second.")
    info = check_video(request.video)
    end = info.seconds if request.end is None else request.end
    if request.start >= info.seconds > 0:
        raise BadInput(f"The start lies behind the end of the video, which lasts {info.seconds:.1f} seconds.")
    if not 0 <= request.start < end:
        raise BadInput("The start must be before the end; please choose another part of the video.")
    if (min(end, info.seconds) if info.seconds else end) - request.start > MAX_SECONDS + 0.5:
        raise BadInput(f"Up to {MAX_SECONDS:.0f} seconds can be read at once; please choose a shorter part.")
    return info


def expected_to_read(library: Library, request: Request) -> dict[str, float]:
    """Seconds each stage of read_motion will take on this machine."""
    return expected_seconds(_speeds(library, request), request.estimator, _units(request, check_video(request.video)))


def read_motion(
    library: Library, motion: str, request: Request, title: str, folder: Path, report: Report = silent
) -> MotionEntry:
    """Read the poses of a video into the library as the motion of this id.

    folder: on the library's disk, for unfinished work. Raises BadInput where the video cannot be used.
    """
    if (library.motion_folder(motion) / "motion.json").exists():
        return library.motion(motion)
    units = _units(request, check_request(request))
    folder.mkdir(parents=True, exist_ok=True)
    watch = Stopwatch(folder / "stages.json")
    made = folder / "made"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    report = watch.listen(report)
    report(Progress("read", 0, units["read"], message="Looking at the video"))
    extracted = extract_poses(request, _teller("read", units["read"], report))
    if extracted.motion is None:
        extracted = replace(extracted, motion=find_motion_in(extracted.poses, _teller("body", units["read"], report)))
    write_preview(extracted, request, made / "preview.mp4", _teller("draw", len(extracted.poses), report))
    extracted.save(made)
    notes = list(extracted.notes)
    if not _keep_sound(extracted, request, made / "sound.m4a"):
        notes.append(SOUND_LEFT_OUT)
    write_moving_thumbnail(made / "thumbnail.webp", extracted.poses)
    remember(_speeds(library, request), request.estimator, units, watch)
    facts = {
        "title": title,
        "seconds": extracted.poses.seconds,
        "fps": extracted.poses.fps,
        "body": extracted.motion is not None,
        "why": extracted.why,
        "notes": notes,
    }
    return library.add_motion(motion, made, facts)


def write_moving_thumbnail(path: Path, poses: PoseSequence) -> None:
    """A small endless picture of charts, as large as the person's way through them."""
    taken = poses.iuv[np.unique(np.linspace(0, len(poses) - 1, THUMBNAIL_FRAMES).astype(int))]
    seen = (taken[..., 0] > 0).any(axis=0)
    (top, bottom), (left, right) = (extent(seen, axis) for axis in (1, 0)) if seen.any() else ((0, 1), (0, 1))
    wide, high = THUMBNAIL
    tall = 1.12 * max(bottom - top, (right - left) * high / wide)
    x, y, across = (left + right) / 2, (top + bottom) / 2, tall * wide / high
    box = (x - across / 2, y - tall / 2, x + across / 2, y + tall / 2)
    pictures = []
    for iuv in taken:
        cut = Image.fromarray(iuv).transform((2 * wide, 2 * high), Image.Transform.EXTENT, box)
        drawn = Image.fromarray(colour_iuv(np.asarray(cut), PAPER))
        pictures.append(drawn.resize(THUMBNAIL, Image.Resampling.LANCZOS))
    each = round(1000 * poses.seconds / len(pictures))
    with replacing(path) as temporary:
        pictures[0].save(
            temporary, save_all=True, append_images=pictures[1:], duration=min(each, 250), loop=0, quality=70
        )


def _teller(stage: str, total: int, report: Report):
    """What pose_tools calls after a frame, as a report of this package; pictures now and then."""
    shown = [0.0]

    def tell(done: int, of: int | None, picture: np.ndarray | None = None) -> None:
        whole = max(of or total, done)
        now = time.monotonic()
        if picture is not None and now - shown[0] >= PREVIEW_EVERY:
            shown[0] = now
        else:
            picture = None
        line = f"{DOING[stage]} frame {done} of {whole}" if done else "Getting ready"
        report(Progress(stage, done, whole, preview=picture, message=line))

    return tell


def _keep_sound(extracted: Extracted, request: Request, out: Path) -> bool:
    """Cut the sound to the poses' own time. False where that cannot be, as parts are missing in between."""
    frames, fps = extracted.frames, extracted.poses.fps
    if len(frames) != frames[-1] - frames[0] + 1:
        return not check_video(request.video).audio
    cut_sound(request.video, out, request.start + frames[0] / fps, len(frames) / fps)
    return True


def _units(request: Request, info: VideoInfo) -> dict[str, int]:
    """Frames to read, to lay a body under where the estimator gives charts alone, and to draw."""
    end = info.seconds if request.end is None else min(request.end, info.seconds or request.end)
    frames = max(1, round((end - request.start) * request.fps))
    charts = request.estimator != LITE and (request.estimator != AUTO or request.device.startswith("cuda"))
    return {"read": frames, "body": frames if charts else 0, "draw": frames}


def _speeds(library: Library, request: Request) -> Path:
    return library.root / f"speeds-reading-{request.device.replace(':', '-')}.json"
