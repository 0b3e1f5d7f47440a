"""From a driving video to poses: checked, read as a stream, one person followed, gaps filled, charts steadied.

    extracted = extract_poses(Request(Path("walk.mp4"), fps=12))
    extracted.save(folder)

Charts are collected in a file that is mapped into memory, so that memory does not grow with the clip.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from pose_tools.body.motion import Motion
from pose_tools.body.track import track_person
from pose_tools.draw import overlay
from pose_tools.errors import BadInput
from pose_tools.estimators.choose import AUTO, LITE, choose
from pose_tools.estimators.found import Estimator, batches
from pose_tools.files import replacing
from pose_tools.follow import Follower
from pose_tools.inspect_clip import inspect_clip
from pose_tools.sequence import MAX_BYTES, MAX_FRAMES, PoseSequence
from pose_tools.steady import Kept, keep_and_fill, steady
from pose_tools.video import VideoInfo, probe, read_frames, write_video

MAX_VIDEO_BYTES = 500 << 20
MAX_VIDEO_SIDE, MIN_VIDEO_SIDE = 4096, 64  # pixels
CHART_SIDE, LEAST_CHART_SIDE = 640, 200  # longer side of the charts in pixels: large, unless the clip is long
FINE_SIDE = 1280  # longer side at which the DensePose network sees the frames
LONGEST_GAP = 0.5  # seconds out of sight that are filled; longer ones are cut
MIN_SECONDS = 0.25
FEW = 2  # frames that a clip needs

Report = Callable[[int, int | None, np.ndarray | None], None]


@dataclass(frozen=True)
class Request:
    """What is read, and how.

    fps: frames a second of the poses; start, end: seconds of the video, end None for its end; estimator: auto, lite,
    densepose or detectron2; picked: x, y in 0..1 of the first frame, on the person to follow, None for the largest;
    smooth: whether poses are steadied over time; device: of torch, for the estimators that use it.
    """

    video: Path
    fps: float = 12.0
    start: float = 0.0
    end: float | None = None
    estimator: str = AUTO
    picked: tuple[float, float] | None = None
    smooth: bool = True
    device: str = "cpu"


@dataclass(frozen=True, eq=False)
class Extracted:
    """The poses of a video.

    poses: charts; motion: joint rotations, where the estimator knows the body; estimator, why: which one, and one
    sentence about the choice; notes: plain sentences about gaps and the like; frames: int (T,), which frame of the
    part that was read, at the poses' own rate, each pose is of.
    """

    poses: PoseSequence
    motion: Motion | None
    estimator: str
    why: str
    notes: tuple[str, ...]
    frames: np.ndarray

    def save(self, folder: Path) -> None:
        """Write poses.npz, motion.npz where there is one, and then extracted.json into a folder that exists."""
        folder = Path(folder)
        self.poses.save(folder / "poses.npz")
        if self.motion:
            self.motion.save(folder)
        facts = {"estimator": self.estimator, "why": self.why, "notes": self.notes, "frames": self.frames.tolist()}
        with replacing(folder / "extracted.json") as temporary:
            temporary.write_text(json.dumps(facts))

    @classmethod
    def load(cls, folder: Path) -> Extracted:
        """Read what `save` wrote. BadInput where it is not there."""
        folder = Path(folder)
        if not (folder / "extracted.json").is_file():
            raise BadInput("There are no such poses.")
        facts = json.loads((folder / "extracted.json").read_text())
        motion = folder / f"{MOTION_NAME}.npz"
        return cls(
            PoseSequence.load(folder / "poses.npz"),
            Motion.load(motion) if motion.is_file() else None,
            facts["estimator"],
            facts["why"],
            tuple(facts["notes"]),
            np.array(facts["frames"], int),
        )


MOTION_NAME = "motion"


def silent(done: int, total: int | None, picture: np.ndarray | None = None) -> None:
    """A report that nobody reads."""


def check_video(path: Path) -> VideoInfo:
    """What a video says of itself; BadInput, one sentence, where it is none or beyond what is read."""
    path = Path(path)
    if path.is_file() and path.stat().st_size == 0:
        raise BadInput(f"{path.name} is empty.")
    if path.is_file() and path.stat().st_size > MAX_VIDEO_BYTES:
        raise BadInput(f"The video is larger than {MAX_VIDEO_BYTES >> 20} MB; please cut it or make it smaller.")
    info = probe(path)
    if max(info.width, info.height) > MAX_VIDEO_SIDE:
        raise BadInput(
            f"The video is {info.width}x{info.height} pixels large; at most {MAX_VIDEO_SIDE} a side can be read."
        )
    if min(info.width, info.height) < MIN_VIDEO_SIDE:
        raise BadInput(f"The video is only {info.width}x{info.height} pixels large, too small to see a person.")
    if info.seconds and info.seconds * info.fps < FEW - 0.5:
        raise BadInput("This is a still picture or a single frame; a motion needs a video of a person moving.")
    return info


def first_frame(path: Path, start: float = 0.0, side: int = CHART_SIDE) -> np.ndarray:
    """The first frame from `start` seconds on, RGB uint8, at most `side` pixels on its longer side."""
    info = check_video(path)
    return next(iter(read_frames(path, size=_within(info, side), start=start)))


def extract_poses(request: Request, report: Report = silent) -> Extracted:
    """Read the poses of a video. BadInput, one sentence, where that cannot be.

    report(done, total, picture): frames read, and the frame that was read last.
    """
    info = check_video(request.video)
    seconds = _seconds(request, info)
    side = _chart_side(info, round(seconds * request.fps))
    notes = list(inspect_clip(request.video, _within(info, CHART_SIDE), request.start, seconds, request.picked))
    choice = choose(request.estimator, request.device, lambda done, total: report(0, None, None))
    expected = max(1, round(seconds * request.fps))
    if choice.name == LITE:
        made = _by_track(request, info, seconds, side, expected, report)
    else:
        made = _by_charts(choice.estimator, request, info, seconds, side, expected, report)
    poses, motion, kept, read = made
    notes += _notes(kept, read, expected, request.fps)
    config = {"estimator": choice.name, "source": asdict(request) | {"video": request.video.name}}
    return Extracted(
        PoseSequence(poses, request.fps, config), motion, choice.name, choice.why, tuple(notes), kept.frames
    )


def write_preview(extracted: Extracted, request: Request, out: Path, report: Report = silent) -> Path:
    """Write a video of the poses over the frames they were read from."""
    poses = extracted.poses
    info = check_video(request.video)
    size = _within(info, CHART_SIDE)
    seconds = _seconds(request, info)
    wanted = dict(zip(extracted.frames.tolist(), range(len(poses)), strict=True))

    def pictures() -> Iterator[np.ndarray]:
        for number, frame in enumerate(read_frames(request.video, request.fps, size, request.start, seconds)):
            if number in wanted:
                report(wanted[number] + 1, len(poses), None)
                yield overlay(frame, poses.iuv[wanted[number]])

    return write_video(pictures(), out, request.fps)


def _seconds(request: Request, info: VideoInfo) -> float:
    """How long the part is that is read. BadInput where there is none or it is too long."""
    if not (math.isfinite(request.fps) and 1 <= request.fps <= 60):
        raise BadInput("Poses are read at 1 to 60 frames a second.")
    end = info.seconds if request.end is None else min(request.end, info.seconds or request.end)
    if not 0 <= request.start < end or end - request.start < min(MIN_SECONDS, info.seconds):
        raise BadInput(f"Choose a start before the end; the video lasts {info.seconds:.1f} seconds.")
    if (end - request.start) * request.fps > MAX_FRAMES:
        raise BadInput(f"At most {MAX_FRAMES} frames can be read; choose a shorter part or fewer frames a second.")
    return end - request.start


def _chart_side(info: VideoInfo, frames: int) -> int:
    """The longer side of the charts: as large as all of them together may be."""
    square = max(info.width, info.height) / min(info.width, info.height)
    side = int(math.sqrt(MAX_BYTES / 3.1 / max(frames, 1) * square))
    return max(LEAST_CHART_SIDE, min(CHART_SIDE, side, max(info.width, info.height)))


def _within(info: VideoInfo, side: int) -> tuple[int, int]:
    """Width and height of at most `side` pixels, the aspect kept."""
    factor = min(1.0, side / max(info.width, info.height))
    return max(2, round(info.width * factor)), max(2, round(info.height * factor))


def _store(frames: int, size: tuple[int, int]) -> np.ndarray:
    """Zeroed charts uint8 (frames, H, W, 3) in a nameless file, mapped into memory."""
    with tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):  # a full disk is told here, and does not kill the process later
            os.posix_fallocate(file.fileno(), 0, frames * size[1] * size[0] * 3)
        return np.memmap(file, np.uint8, "w+", shape=(frames, size[1], size[0], 3))


def _by_track(request: Request, info: VideoInfo, seconds: float, side: int, expected: int, report: Report):
    """Charts and motion of the body that is fitted to every frame."""
    latest: list[np.ndarray] = []

    def frames() -> Iterator[np.ndarray]:
        for frame in read_frames(request.video, request.fps, _within(info, CHART_SIDE), request.start, seconds):
            latest[:] = [frame]
            yield frame

    def told(done: int, total: int | None) -> None:
        report(min(done, total or expected), total or expected, latest[0] if latest else None)

    track = track_person(frames(), request.fps, request.picked, told, smooth=request.smooth)
    kept = keep_and_fill(track.seen, round(LONGEST_GAP * request.fps))
    _check_enough(kept)
    charts = _store(len(kept.frames), _within(info, side))
    for k, frame in enumerate(kept.frames):
        charts[k] = _resized(track.charts(int(frame)), charts.shape)
    motion = track.part(kept.frames).motion(MOTION_NAME, "Your video", f"Read from {request.video.name}.")
    return charts, motion, kept, len(track.seen)


def _by_charts(
    estimator: Estimator,
    request: Request,
    info: VideoInfo,
    seconds: float,
    side: int,
    expected: int,
    report: Report,
):
    """Charts of an estimator that looks at each frame by itself."""
    follower = Follower(request.fps, request.picked)
    raw = _store(expected + math.ceil(request.fps), _within(info, side))
    seen = np.zeros(len(raw), bool)
    read = 0
    for batch in batches(
        read_frames(request.video, request.fps, _within(info, FINE_SIDE), request.start, seconds), estimator.batch
    ):
        for people in estimator.find(batch):
            if read == len(raw):
                break
            person = follower.take(people)
            if person is not None:
                raw[read], seen[read] = _resized(person.iuv, raw.shape), True
            read += 1
        report(min(read, expected), expected, batch[-1])
    kept = keep_and_fill(seen[:read], round(LONGEST_GAP * request.fps))
    _check_enough(kept)
    charts = _store(len(kept.frames), _within(info, side))
    chosen = steady(raw, kept.shown) if request.smooth else (raw[k] for k in kept.shown)
    for k, frame in enumerate(chosen):
        charts[k] = frame
    return charts, None, kept, read


def _resized(iuv: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if iuv.shape[:2] == shape[1:3]:
        return iuv
    return cv2.resize(iuv, (shape[2], shape[1]), interpolation=cv2.INTER_NEAREST_EXACT)


def _check_enough(kept: Kept) -> None:
    if len(kept.frames) < FEW:
        raise BadInput("The person is in sight too shortly to read a motion; please choose another part of the video.")


def _notes(kept: Kept, read: int, expected: int, fps: float) -> list[str]:
    """What happened on the way, in plain sentences."""
    notes = []
    if read < 0.9 * expected - 2:
        notes.append(f"The video breaks off after {read / fps:.1f} of {expected / fps:.1f} seconds.")
    if kept.filled:
        lost = sum(length for _, length in kept.filled)
        notes.append(f"The person was out of sight {len(kept.filled)} times for a moment; {lost} frames were filled.")
    if kept.cut:
        lost = sum(length for _, length in kept.cut)
        notes.append(f"{lost / fps:.1f} seconds in which nobody could be made out were left out.")
    return notes
