"""From a folder of videos to clips with charts: found, framed alike, written one by one.

A video that cannot be used is left out and named at the end; a clip that is there already is kept, so that an
interrupted run goes on. How a person is placed in the frame is the same as for a photo in use, or the video's own.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from dreampose_core.framing import Frame, frame_person
from dreampose_core.training.clips import (
    CLIP,
    JPEG,
    MANIFEST,
    PNG,
    check_size,
    load_clip,
    read_manifest,
    write_clip,
    write_manifest,
)
from dreampose_core.weights.checkpoints import FULL_DISK, plain_disk_errors
from pose_tools.errors import BadInput
from pose_tools.estimators.choose import AUTO
from pose_tools.estimators.found import Unavailable
from pose_tools.extract import Extracted, Request, check_video, extract_poses
from pose_tools.processes import in_processes
from pose_tools.sequence import PoseSequence
from pose_tools.video import VIDEOS, probe, read_frames

PERSON, WHOLE = "person", "whole"
MOST_FRAMES = 480  # of a clip
FRAMINGS = (PERSON, WHOLE)
KINDS = (JPEG, PNG)
Say = Callable[[str], None]


@dataclass(frozen=True)
class PrepareSettings:
    """height, width: of the frames in pixels; fps: frames a second; estimator: of the charts; device: of torch, for it.

    framing: "person" places the person as a photo in use is framed, the same window for the whole clip; "whole" shows
    all of the video's frame, its border going on where the shapes differ. kind: jpg or png.
    """

    height: int = 640
    width: int = 512
    fps: float = 12.0
    estimator: str = AUTO
    framing: str = PERSON
    kind: str = JPEG
    device: str = "cpu"

    def __post_init__(self):
        check_size(self.height, self.width)
        if self.framing not in FRAMINGS or self.kind not in KINDS:
            raise BadInput(f"The framing is one of {', '.join(FRAMINGS)}, and frames are {' or '.join(KINDS)}.")

    def lasting(self) -> dict:
        """What all clips of a folder have in common."""
        return {name: value for name, value in asdict(self).items() if name != "device"}


def find_videos(folder: Path) -> dict[str, Path]:
    """Name of the clip -> video, of all videos below a folder. BadInput where there is none."""
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}.")
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in VIDEOS and path.is_file()]
    if not paths:
        raise BadInput(f"There is no video in the folder {folder}.")
    return {_name(path.relative_to(folder)): path for path in paths}


def prepare_clips(
    videos: Path, out: Path, settings: PrepareSettings, say: Say = print, processes: int = 1
) -> dict[str, str]:
    """Prepare every video below a folder; gives those that could not be: file -> why, one sentence.

    processes: videos that are read at once; what is written is the same. BadInput where there is no video, no clip
    came out, the folder holds clips of other settings, the estimator is not there, or the disk is full.
    """
    if processes < 1:
        raise BadInput("At least one process must read videos.")
    found = find_videos(videos)
    about = settings.lasting()
    if (out / MANIFEST).is_file():
        old = read_manifest(out)
        for name, value in about.items():
            if old.get(name) != value:
                raise BadInput(f"The clips in {out} have {name} {old.get(name)}, not {value}; choose another folder.")
        names = set(old["clips"])
    else:
        names = set()
    with plain_disk_errors():
        (out / "clips").mkdir(parents=True, exist_ok=True)
    failed: dict[str, str] = {}
    jobs = [
        Job(name, path, str(path.relative_to(videos)), f"{number}/{len(found)}", out / "clips", settings)
        for number, (name, path) in enumerate(found.items(), 1)
    ]
    for outcome in _outcomes(jobs, min(processes, len(jobs)), say):
        if outcome.fatal is not None:
            raise outcome.fatal
        names.update(outcome.clips)
        if outcome.failed is not None:
            failed[outcome.source] = outcome.failed
        if outcome.clips:
            write_manifest(out, about, names, failed)
    if not names:
        first = next(job.source for job in jobs if job.source in failed)
        raise BadInput(f"No video could be prepared; of the first one it was said: {failed[first]}")
    write_manifest(out, about, names, failed)
    return failed


@dataclass(frozen=True)
class Job:
    """One video. name: of its clips; source: its path below the folder; place: among all videos, for who reads along;
    folder: of the clips."""

    name: str
    path: Path
    source: str
    place: str
    folder: Path
    settings: PrepareSettings


@dataclass(frozen=True)
class Outcome:
    """clips: names of those that are there now; failed: why the video could not be used; fatal: what ends it all;
    lines: what is to be said."""

    source: str
    clips: tuple[str, ...]
    failed: str | None = None
    fatal: BadInput | None = None
    lines: tuple[str, ...] = ()


def _outcomes(jobs: list[Job], processes: int, say: Say) -> Iterator[Outcome]:
    """As they are done; the others are not begun once one was fatal."""
    if processes == 1:  # what is said is said at once
        for job in jobs:
            yield _prepare_video(job, say)
        return
    for outcome in in_processes(_apart, jobs, processes):
        for line in outcome.lines:
            say(line)
        yield outcome


def _apart(job: Job) -> Outcome:
    lines: list[str] = []
    outcome = _prepare_video(job, lines.append)
    return replace(outcome, lines=tuple(lines))


def _prepare_video(job: Job, say: Say) -> Outcome:
    told, clips = f"{job.place} {job.source}", []
    try:
        for part, request in _requests(job.name, job.path, job.settings):
            if _is_there(job.folder / part, job.settings, job.path):
                say(f"{told}: there already")
            else:
                extracted = extract_poses(request)
                _write(job.folder / part, job.source, request, extracted, job.settings)
                say(f"{told}: {len(extracted.poses)} frames")
            clips.append(part)
    except Unavailable as error:
        return Outcome(job.source, tuple(clips), fatal=error)
    except BadInput as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL_DISK:
            return Outcome(job.source, tuple(clips), fatal=error)
        say(f"{told}: left out. {error}")
        return Outcome(job.source, tuple(clips), failed=str(error))
    return Outcome(job.source, tuple(clips))


def _requests(name: str, path: Path, settings: PrepareSettings) -> Iterator[tuple[str, Request]]:
    """What is read for each clip of a video: all of it, or parts of a long one, so that memory stays small."""
    seconds = check_video(path).seconds
    parts = max(1, math.ceil(seconds * settings.fps / MOST_FRAMES))
    for part in range(parts):
        span = (seconds * part / parts, seconds * (part + 1) / parts) if parts > 1 else (0.0, None)
        request = Request(path, settings.fps, *span, estimator=settings.estimator, device=settings.device)
        yield (f"{name}-{part + 1}" if parts > 1 else name), request


def _name(path: Path) -> str:
    """A clip's name: the video's path without what file systems or shells dislike; two videos never share one."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", str(path.with_suffix("")).replace("/", "__")).strip("._") or "clip"
    return f"{plain[:80]}-{hashlib.sha256(str(path).encode()).hexdigest()[:6]}"


def _stamp(path: Path) -> list[int]:
    """Tells whether a file was exchanged since."""
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns]


def _is_there(folder: Path, settings: PrepareSettings, video: Path) -> bool:
    try:
        load_clip(folder)
        facts = json.loads((folder / CLIP).read_text())
    except BadInput:
        return False
    return facts.get("settings") == settings.lasting() and facts.get("stamp") == _stamp(video)


def _write(folder: Path, source: str, request: Request, extracted: Extracted, settings: PrepareSettings) -> None:
    info = probe(request.video)
    window = _window(extracted.poses, info.width, info.height, settings)
    charts = np.stack([_framed_charts(iuv, window, info.width) for iuv in extracted.poses.iuv])
    poses = PoseSequence(charts, settings.fps, extracted.poses.config)
    about = {
        "source": source,
        "stamp": _stamp(request.video),
        "settings": settings.lasting(),
        "estimator": extracted.estimator,
        "notes": list(extracted.notes),
        "window": asdict(window),
    }
    frames = _framed(request, extracted, window)
    write_clip(folder, frames, poses, extracted.frames, settings.kind, about)


def _window(poses: PoseSequence, width: int, height: int, settings: PrepareSettings) -> Frame:
    """One window for the whole clip."""
    if settings.framing == PERSON:
        everywhere = np.any(poses.iuv[..., 0] > 0, axis=0)
        return frame_person(everywhere, width, settings.width, settings.height)
    scale = min(settings.width / width, settings.height / height)
    left, top = (width - settings.width / scale) / 2, (height - settings.height / scale) / 2
    return Frame(left, top, scale, settings.width, settings.height)


def _framed(request: Request, extracted: Extracted, window: Frame) -> Iterator[np.ndarray]:
    """The frames that have poses, through the window."""
    wanted = {int(number): index for index, number in enumerate(extracted.frames)}
    seconds = None if request.end is None else request.end - request.start
    for number, frame in enumerate(read_frames(request.video, request.fps, start=request.start, seconds=seconds)):
        if number in wanted:
            yield window.apply(frame, extracted.poses.iuv[wanted[number], ..., 0] > 0)


def _framed_charts(iuv: np.ndarray, window: Frame, width: int) -> np.ndarray:
    """Charts uint8 (h, w, 3) of a whole frame that is `width` pixels wide, through the window, by nearest neighbour."""
    unit = width / iuv.shape[1]  # pixels of the frame a cell of the charts
    scale = window.scale * unit
    # the middle of a window's pixel x lies at (x + 0.5) / scale + left / unit, in cells, from the charts' border
    matrix = np.array([[1 / scale, 0, 0], [0, 1 / scale, 0]])
    matrix[:, 2] = (np.array([window.left, window.top]) / unit) + 0.5 / scale - 0.5
    size = (window.width, window.height)
    return cv2.warpAffine(
        iuv, matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_CONSTANT
    )
