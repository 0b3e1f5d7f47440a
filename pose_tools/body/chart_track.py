"""From the charts of a clip to the body that moved under them: one build, a pose a frame, smooth over time.

    motion = find_motion_in(PoseSequence.load("dance.npz"))  # joint rotations, to be put on another body
    track = fit_sequence(PoseSequence.load("dance.npz"))     # the same body, frame by frame
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pose_tools.body.chart_fit import fit_charts
from pose_tools.body.figure import rotation_matrices
from pose_tools.body.fit import FittedBody
from pose_tools.body.moments import FINE_TREMBLES, TREMBLES, Moments, smoothed
from pose_tools.body.motion import Motion
from pose_tools.body.track import Track, track_of
from pose_tools.errors import BadInput
from pose_tools.sequence import PoseSequence

KEYS = 5             # frames that a clip's build is read from
NEAR_SMOOTH = 0.15   # radians by which a frame strays from what its neighbours say
SEEN = 0.6           # of the frames that must show a person
SURE = 0.6           # confidence that half of them must reach
GAP_SECONDS = 0.7    # without a person that can be filled
DOUBT_M = 0.05       # metres on the skin at which half of the confidence is gone

Report = Callable[[int, int], None]


def find_motion_in(poses: PoseSequence, report: Report | None = None) -> Motion | None:
    """The motion that charts show, where a body lies well on most of them; None where it does not, or nobody is seen.

    report: as for fit_sequence. The same charts give the same motion.
    """
    if len(poses) < 2:
        return None
    keys = key_bodies(poses.iuv)
    if not keys or np.median([_confidence(body) for body in keys.values()]) < SURE:
        return None
    track = fit_sequence(poses, report, keys=keys)
    if not holds(track):
        return None
    return track.motion("charts", "Poses", "Read from DensePose charts.")


def holds(track: Track) -> bool:
    """Whether the body lies well enough on a clip's charts to stand for them, and no long gap lies between."""
    if track.seen.mean() < SEEN or np.median(track.confidence[track.seen]) < SURE:
        return False
    times = np.flatnonzero(track.seen)
    return bool(np.diff(times).max(initial=1) <= max(GAP_SECONDS * track.fps, 2))


def fit_sequence(
    poses: PoseSequence, report: Report | None = None, smooth: bool = True, keys: dict[int, FittedBody] | None = None
) -> Track:
    """The one body that moves under a clip's charts. BadInput where no frame shows a person.

    Frames that show nobody are gaps: not `seen`, and filled from their neighbours. smooth: whether joints are
    smoothed over time. report(done, total): frames done, while they are looked at twice each counts half.
    keys: what key_bodies found, where that is known.
    """
    total = len(poses)
    rounds = 2 if smooth else 1

    def told(done: int) -> None:
        if report:
            report(done // rounds, total)

    keys = key_bodies(poses.iuv) if keys is None else keys
    bodies = fit_frames(poses.iuv, keys, told)
    times = np.array([i for i, body in enumerate(bodies) if body is not None])
    found = [bodies[i] for i in times]
    if smooth:
        calm = _bodies(smoothed(_moments(found), poses.fps, TREMBLES), found[0])
        for k, i in enumerate(times):
            found[k] = fit_charts(poses.iuv[i], calm[k], turn=NEAR_SMOOTH) or found[k]
            told(total + int(i) + 1)
        told(rounds * total)
    moments = _moments(found)
    moments = smoothed(moments, poses.fps, FINE_TREMBLES) if smooth else moments
    return track_of(found[0].shape, moments, times, total, (poses.height, poses.width), poses.fps)


def key_bodies(iuv: np.ndarray) -> dict[int, FittedBody]:
    """Bodies with a build of their own, found in up to KEYS frames that show much of the person."""
    areas = np.array([np.count_nonzero(frame[..., 0]) for frame in iuv])
    spans = np.array_split(np.arange(len(iuv)), min(KEYS, len(iuv)))
    keys = [int(span[areas[span].argmax()]) for span in spans]
    return {key: body for key in keys if (body := fit_charts(iuv[key])) is not None}


def fit_frames(
    iuv: np.ndarray, keys: dict[int, FittedBody], told: Callable[[int], None] = lambda done: None
) -> list[FittedBody | None]:
    """The bodies of all frames of charts (T, H, W, 3), on one build; None for frames that show nobody.

    The build is what the bodies of `keys` have in common; from the clearest of them the body is followed to either
    end. told(done) is called after each frame. BadInput where there are no keys.
    """
    if not keys:
        raise BadInput("The poses show too little of a person in every frame.")
    shape = np.median([body.shape for body in keys.values()], axis=0)
    first = max(keys, key=lambda key: _confidence(keys[key]))
    bodies: list[FittedBody | None] = [None] * len(iuv)
    done = 0
    for way in (range(first, len(iuv)), range(first - 1, -1, -1)):
        near = bodies[first]
        for i in way:
            bodies[i] = fit_charts(iuv[i], near, shape)
            near = bodies[i] or near
            done += 1
            told(done)
    return bodies


def _confidence(body: FittedBody) -> float:
    """0..1: how well a body lies on the charts, by silhouette and by skin."""
    return body.overlap / (1 + (body.error_px / body.camera.scale / DOUBT_M) ** 2)


def _moments(bodies: list[FittedBody]) -> Moments:
    turns = rotation_matrices(np.stack([body.pose.rotations for body in bodies]))
    yaw = np.unwrap([body.pose.yaw for body in bodies])
    camera = np.array([[np.log(b.camera.scale), b.camera.cx, b.camera.cy] for b in bodies])
    return Moments(turns, yaw, camera, np.array([_confidence(body) for body in bodies]))


def _bodies(moments: Moments, like: FittedBody) -> list[FittedBody]:
    """The bodies of moments, of the build and in the frame of one that is `like` them."""
    count, size = len(moments.yaw), (like.camera.height, like.camera.width)
    track = track_of(like.shape, moments, np.arange(count), count, size, fps=1.0)
    return [replace(like, pose=pose, camera=view) for pose, view in zip(track.poses, track.cameras, strict=True)]
