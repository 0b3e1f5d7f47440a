"""From the frames of a clip to the motion and the charts of one followed person.

    track = track_person(read_frames("dance.mp4", fps=12), 12)
    track.charts(0)                       # IUV of the first frame
    track.motion("dance", "A dance", "…")  # joint rotations, to be put on another body

Frames are looked at one by one and let go; what is kept of each is some kilobytes. Only when all were seen it is
decided which way the person faced in each, what build the person has, and how the joints turned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pose_tools.body.camera import Camera
from pose_tools.body.clip_fit import fit_clip
from pose_tools.body.contacts import find_contacts, leg_length
from pose_tools.body.figure import Pose, load_figure, rotation_matrices, rotation_vectors
from pose_tools.body.moments import Moments, filled
from pose_tools.body.motion import Motion
from pose_tools.body.raster import draw_iuv
from pose_tools.body.sighting import Sighting
from pose_tools.body.watch import Watch
from pose_tools.errors import BadInput

Report = Callable[[int, int | None], None]


def silent(done: int, total: int | None) -> None:
    """A report that nobody reads."""


@dataclass(frozen=True, eq=False)
class Track:
    """One person through T frames, on one build.

    shape (S,); poses: one a frame, with no shift, the camera says where the root joint is; cameras: one a frame, of
    the frames' size; seen (T,) bool: whether the person was found there, poses of other frames are filled in;
    confidence (T,) 0..1: how well the body lies on what was seen, 0 where nothing was; fps: frames a second.
    """

    shape: np.ndarray
    poses: list[Pose]
    cameras: list[Camera]
    seen: np.ndarray
    confidence: np.ndarray
    fps: float

    def __len__(self) -> int:
        return len(self.poses)

    def charts(self, i: int) -> np.ndarray:
        """uint8 (H, W, 3): the charts of frame i."""
        return draw_iuv(load_figure(), self.shape, self.poses[i], self.cameras[i])

    def part(self, frames: Sequence[int] | np.ndarray) -> Track:
        """The track of these frames only, in this order."""
        frames = [int(frame) for frame in frames]
        return replace(self, poses=[self.poses[k] for k in frames], cameras=[self.cameras[k] for k in frames],
                       seen=self.seen[frames], confidence=self.confidence[frames])

    def motion(self, name: str, title: str, about: str) -> Motion:
        """The joint rotations, planted feet and way across the picture. BadInput for a single frame."""
        if len(self) < 2:
            raise BadInput("A single frame is no motion; the video needs two at least in which the person is seen.")
        figure = load_figure()
        turns = rotation_matrices(np.stack([pose.rotations for pose in self.poses]))
        yaw = np.unwrap([pose.yaw for pose in self.poses])
        yaw -= 2 * np.pi * np.round(yaw[0] / (2 * np.pi))
        camera = np.array([[np.log(c.scale), c.cx, c.cy] for c in self.cameras])
        contacts, lift = find_contacts(figure, self.shape, turns, yaw, camera, self.fps)
        across = (camera[:, 1] - self.cameras[0].width / 2) / np.exp(camera[:, 0])
        path = np.stack([across, lift], 1) / leg_length(self.shape)
        return Motion(name, title, about, rotation_vectors(turns).astype(np.float32), yaw, contacts, self.fps, False,
                      path.astype(np.float32))


def track_person(
    frames: Iterable[np.ndarray], fps: float, picked: tuple[float, float] | None = None,
    report: Report | None = None, smooth: bool = True,
) -> Track:
    """Follow one person through RGB frames uint8 (H, W, 3) of one size, which are taken one by one and not kept.

    picked: a point (x, y in 0..1 of the frame) on the person to follow, in the first frame where somebody is found;
    None takes the most prominent one. smooth: whether joints are smoothed over time. report(done, total): frames
    done; while frames are still read each counts half and the total is not known. BadInput where nobody is found.
    """
    report = report or silent
    watch, sightings, size = Watch(fps, picked), [], (0, 0)
    for frame in frames:
        sightings.append(watch.look(frame))
        size = frame.shape[:2]
        report(len(sightings) // 2, None)
    return track_sightings(sightings, fps, size, report, smooth)


def track_sightings(
    sightings: Sequence[Sighting | None], fps: float, size: tuple[int, int], report: Report | None = None,
    smooth: bool = True,
) -> Track:
    """The track of a person who was sighted in frames of size (H, W). BadInput where there is no sighting."""
    report = report or silent
    total = len(sightings)
    seen = np.array([sighting is not None for sighting in sightings], bool)
    if not seen.any():
        raise BadInput("Nobody was found in the video; it needs a person who can be seen from head to feet.")
    times = np.flatnonzero(seen)
    shape, moments = fit_clip(
        [sightings[k] for k in times], times, fps, smooth,
        lambda done: report(round(total * (1 + done) / 2), total),
    )
    return track_of(shape, moments, times, total, size, fps)


def track_of(
    shape: np.ndarray, moments: Moments, times: np.ndarray, total: int, size: tuple[int, int], fps: float
) -> Track:
    """The track of `total` frames of size (H, W) from what was fitted at times (T,), on one build (S,)."""
    whole = filled(moments, times, total)
    poses = [
        Pose(turns, float(yaw), np.zeros(3))
        for turns, yaw in zip(rotation_vectors(whole.turns), whole.yaw, strict=True)
    ]
    cameras = [Camera(float(np.exp(scale)), float(x), float(y), size[1], size[0]) for scale, x, y in whole.camera]
    seen = np.zeros(total, bool)
    seen[times] = True
    return Track(shape, poses, cameras, seen, whole.fit, fps)
