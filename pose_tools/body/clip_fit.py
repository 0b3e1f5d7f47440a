"""Fits one build and a pose for every frame to the sightings of a clip.

First the build, from several good frames; then each frame from the one before; then all frames together, so that
joints move evenly and standing feet stay. Knows nothing of detectors and videos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pose_tools.body.clip_solve import Chain, solve_clip
from pose_tools.body.contacts import find_contacts
from pose_tools.body.evidence import BodyProblem, Evidence, Tie, landmarks_yaw
from pose_tools.body.figure import (
    Figure,
    load_figure,
    rotation_matrices,
    rotation_vectors,
    yaw_matrix,
)
from pose_tools.body.kinematics import about, heading, wrap
from pose_tools.body.moments import TREMBLES, Moments, bridged, smoothed
from pose_tools.body.sides import decide
from pose_tools.body.sighting import Sighting
from pose_tools.landmarks import Landmarks

BUILDS = 8           # frames that the build is taken from
SAMPLES = 320        # points of the body that are kept in the mask: fewer than for a photo, frames help each other
PULL = 0.5           # of outline points: clothes stand off a moving body, and landmarks are many
TURN_STEP = 0.35     # radians, usual between frames a twelfth of a second apart
SCALE_STEP = 0.03    # of log scale
NEAR_SCALE = 0.01    # of log scale: how far a frame strays from what its neighbours say
LOST = 0.72          # a fit that overlaps less is tried from scratch
LEGS = {"L": (25, 27), "R": (26, 28)}  # mediapipe's knee and ankle
SEEN = 0.25          # visibility from which on a landmark tells where a leg is
LOST_SECONDS = 0.75  # for which legs can be guessed from before and after
JUMP = 0.5           # radians by which the landmarks' heading may leave the frame before


class State(NamedTuple):
    """One fitted frame: unknowns x (3 + 3B) of solve.py in the frame's pixels, yaw, and how well it fits, 0..1."""

    x: np.ndarray
    yaw: float
    fit: float


def fit_clip(
    sightings: Sequence[Sighting], times: np.ndarray, fps: float, smooth: bool = True,
    report: Callable[[float], None] = lambda done: None,
) -> tuple[np.ndarray, Moments]:
    """The build (S,) and the moments of all sightings; times (T,) are their frames, report gets 0..1."""
    landmarks = decide(list(sightings), fps)
    build = common_build(landmarks)
    person = load_figure().with_build(build)
    count = len(sightings)
    states: list[State] = []
    for k in range(count):
        before = states[-1] if states else None
        gap = (times[k] - times[k - 1]) * 12 / fps if k else 1.0
        states.append(_follow(sightings[k], landmarks[k], person, before, gap))
        report((k + 1) / count * (0.6 if smooth else 1.0))
    moments = _moments(states)
    if smooth and count > 2:
        calm = over_lost_legs(smoothed(moments, fps, TREMBLES), landmarks, person, fps)
        moments = _together(sightings, landmarks, person, calm, times, fps, lambda done: report(0.6 + 0.4 * done))
    return build, moments


def common_build(landmarks: Sequence[Landmarks]) -> np.ndarray:
    """The build (S,) that several good frames, spread over the clip, have in common: their weighted median."""
    quality = np.array([_quality(each) for each in landmarks])
    found, worth = [], []
    for part in np.array_split(np.arange(len(landmarks)), min(BUILDS, len(landmarks))):
        k = part[quality[part].argmax()]
        problem = BodyProblem(Evidence.of(landmarks[k], factor=1.0))
        x = problem.solve(problem.first_guess(), 20)
        for reach, free in ((12.0, False), (4.0, True), (4.0, True)):
            x = problem.with_doubt(x).solve(x, 8, reach, free)
        found.append(problem.unpack(x)[0])
        worth.append(quality[k] * problem.overlap(x) ** 4)
    found, worth = np.array(found), np.array(worth) + 1e-9
    order = found.argsort(0)
    share = np.cumsum(worth[order], 0) / worth.sum()
    middle = (share >= 0.5).argmax(0)
    return np.take_along_axis(np.take_along_axis(found, order, 0), middle[None], 0)[0]


def _quality(landmarks: Landmarks) -> float:
    """How much a frame says of the build: landmarks seen, on the mask, and the person facing the camera or away."""
    evidence = Evidence.of(landmarks, factor=1.0)
    return float(np.minimum(evidence.trust, 1).mean() * (0.3 + abs(np.cos(landmarks_yaw(landmarks.world)))))


def _follow(sighting: Sighting, landmarks: Landmarks, person: Figure, before: State | None, gap: float) -> State:
    """A frame, from the one before; gap: twelfths of a second between the two."""
    seen_yaw = landmarks_yaw(landmarks.world)
    if before is None:
        return _fresh(sighting, landmarks, person, seen_yaw)
    turned = wrap(seen_yaw - before.yaw)
    evidence = Evidence.of(landmarks, before.yaw + (turned if abs(turned) > JUMP else 0.0), 1.0)
    x = _to_window(before.x, sighting)
    stiff = np.zeros(len(x))
    stiff[0] = 1 / (SCALE_STEP * np.sqrt(gap))
    stiff[3:] = 1 / (TURN_STEP * np.sqrt(gap))
    x = _problem(evidence, person).placed(x)
    problem = _problem(evidence, person, Tie(x, stiff))
    x = problem.solve(x, 6)
    for reach in (12.0, 4.0):
        x = problem.with_doubt(x).solve(x, 4, reach)
    state = _state(problem, x, sighting)
    if state.fit < LOST:
        fresh = _fresh(sighting, landmarks, person, seen_yaw)
        return fresh if fresh.fit > state.fit + 0.03 else state
    return state


def _fresh(sighting: Sighting, landmarks: Landmarks, person: Figure, yaw: float) -> State:
    """A frame by itself."""
    problem = _problem(Evidence.of(landmarks, yaw, 1.0), person)
    x = problem.first_guess()
    x = problem.solve(x, 20)
    for reach in (12.0, 4.0):
        x = problem.with_doubt(x).solve(x, 8, reach)
    return _state(problem, x, sighting)


def over_lost_legs(moments: Moments, landmarks: Sequence[Landmarks], person: Figure, fps: float) -> Moments:
    """Legs whose landmarks tell nothing for a while pass evenly over it: the mask alone would exchange them."""
    for side, marks in LEGS.items():
        sure = np.array([each.visibility[list(marks)].min() > SEEN for each in landmarks])
        bones = [person.bone(f"{name}.{side}") for name in ("upperleg01", "lowerleg01", "foot")]
        moments = bridged(moments, sure, bones, round(LOST_SECONDS * fps))
    return moments


def _together(
    sightings: Sequence[Sighting], landmarks: Sequence[Landmarks], person: Figure, calm: Moments, times: np.ndarray,
    fps: float, report: Callable[[float], None],
) -> Moments:
    """All frames at once, from smoothed moments at times (T,)."""
    start = np.concatenate([calm.camera, rotation_vectors(calm.turns).reshape(len(calm.yaw), -1)], 1)
    stiff = np.zeros(start.shape[1])
    stiff[0] = 1 / NEAR_SCALE

    def normal(k: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        own = _to_window(x, sightings[k])
        tie = Tie(_to_window(start[k], sightings[k]), stiff)
        problem = _problem(Evidence.of(landmarks[k], calm.yaw[k], 1.0), person, tie).with_doubt(own)
        matrix, gradient = problem.normal(own, 4.0)
        unit = np.ones(len(x))
        unit[1:3] = sightings[k].factor
        return matrix * np.outer(unit, unit), gradient * unit

    contacts, _ = find_contacts(person, np.zeros(0), calm.turns, calm.yaw, calm.camera, fps)
    x = solve_clip(Chain(start, calm.yaw, times / fps), normal, person, contacts, report)
    turns = rotation_matrices(x[:, 3:].reshape(len(x), -1, 3))
    away = heading(turns[:, 0])  # the root's heading belongs to the yaw
    turns[:, 0] = about(2, -away) @ turns[:, 0]
    return Moments(turns, calm.yaw + away, x[:, :3], calm.fit)


def _state(problem: BodyProblem, x: np.ndarray, sighting: Sighting) -> State:
    """The unknowns of a window as a state of the frame, the trunk's whole turn about +z in its yaw."""
    yaw, root = problem.evidence.yaw, slice(3, 6)
    world = yaw_matrix(yaw) @ rotation_matrices(x[root])
    turned = float(heading(world))
    own = _to_frame(x, sighting)
    own[root] = rotation_vectors((yaw_matrix(-turned) @ world)[None])[0]
    fit = problem.overlap(x) / (1 + (problem.error(x) / 20) ** 2)
    return State(own, yaw + wrap(turned - yaw), fit)


def _moments(states: list[State]) -> Moments:
    turns = rotation_matrices(np.stack([state.x[3:].reshape(-1, 3) for state in states]))
    return Moments(turns, np.unwrap([state.yaw for state in states]), np.stack([state.x[:3] for state in states]),
                   np.array([state.fit for state in states]))


def _problem(evidence: Evidence, person: Figure, tie: Tie | None = None) -> BodyProblem:
    # from frame to frame faces tremble as all else does: as in a photo they would shake the body
    calm = replace(evidence, trust=np.minimum(evidence.trust, 1))
    return BodyProblem(calm, tie=tie, figure=person, samples=SAMPLES, pull=PULL)


def _to_window(x: np.ndarray, sighting: Sighting) -> np.ndarray:
    scale, cx, cy = sighting.from_frame(np.exp(x[0]), x[1], x[2])
    return np.concatenate([[np.log(scale), cx, cy], x[3:]])


def _to_frame(x: np.ndarray, sighting: Sighting) -> np.ndarray:
    scale, cx, cy = sighting.to_frame(np.exp(x[0]), x[1], x[2])
    return np.concatenate([[np.log(scale), cx, cy], x[3:]])
