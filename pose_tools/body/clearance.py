"""Keeps moving arms out of the body: hips and thighs are wider on some people than on others."""

from __future__ import annotations

import numpy as np

from pose_tools.body.figure import BONES, Figure
from pose_tools.body.kinematics import about, chain, cover

MARGIN = 0.03  # metres between an arm's bones and the trunk's skin: half a forearm, and cloth
SLICE = 0.03  # metres of height that a slice of the trunk's outline covers
MOST = np.radians(35)  # an arm is lifted outward by no more than this
INDEX_LITTLE = {"L": (19, 17), "R": (20, 18)}  # mediapipe landmarks of the fingers


def outline(figure: Figure, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Heights (K,) above the root, half widths (K,), and front and back depths (K, 2) of trunk and thighs."""
    vertices = figure.rest_vertices(shape)
    own = [i for i, b in enumerate(BONES) if b.split(".")[0] in ("root", "spine04", "spine02", "upperleg01")]
    trunk = vertices[figure.weights[:, own].sum(1) > 0.6]
    heights = np.arange(-0.35, 0.4, SLICE)
    slices = [trunk[np.abs(trunk[:, 2] - z) < SLICE] for z in heights]
    width = np.array([np.abs(near[:, 0]).max() for near in slices])
    depth = np.array([(-near[:, 1].min(), near[:, 1].max()) for near in slices])
    return heights, width, depth


def keep_arms_off(
    figure: Figure, shape: np.ndarray, local: np.ndarray, allow: dict[str, np.ndarray], gate: np.ndarray,
    tracked: bool = False,
) -> np.ndarray:
    """Lift the upper arms outward where elbow, forearm or hand would be inside the trunk.

    local (T, B, 3, 3): rotations whose first frame is the photo's pose; allow: per side "L", "R" (T,) 0..1, how
    much of the overlap that the photo itself shows is left alone; gate (T,) 0..1: 0 where nothing is touched;
    tracked: whether overlaps that the template has in these poses too are the driving person's touch, to be kept.
    Returns new local rotations.
    """
    local = local.copy()
    for side, sign in (("L", 1), ("R", -1)):
        upper = figure.bone(f"upperarm01.{side}")
        touch = overlap(figure, np.zeros(len(shape)), local, side, sign)[0] if tracked else 0.0
        for _ in range(2):  # the angle is a linear estimate: a second round takes what the first left
            depth, length = overlap(figure, shape, local, side, sign)
            need = np.maximum(depth - touch - allow[side][:, None] * depth[:1], 0) / length
            lift = np.minimum(cover(need.max(1), 4), MOST) * gate
            local[:, upper] = about(1, -sign * lift) @ local[:, upper]
    return local


def overlap(figure: Figure, shape: np.ndarray, local: np.ndarray, side: str, sign: int):
    """How deep, sideways in metres, points of an arm lie in the trunk, and how far they are from the shoulder.

    Both (T, 4), for elbow, middle of the forearm, wrist and hand, in the pelvis' own frame.
    """
    rest = figure.rest_joints(shape)
    frames = len(local)
    level = local.copy()
    level[:, 0] = np.eye(3)
    rotation, joints = chain(figure.parents, rest, level, np.zeros(frames), np.zeros((frames, 3)))
    shoulder, elbow, wrist = (figure.bone(f"{b}.{side}") for b in ("upperarm01", "lowerarm01", "wrist"))
    fingers = np.isin(figure.anchor_index, INDEX_LITTLE[side])
    reach = (figure.anchors + np.tensordot(shape, figure.anchor_modes, 1))[fingers].mean(0) - rest[wrist]
    hand = joints[:, wrist] + rotation[:, wrist] @ (reach * 0.7)
    points = np.stack(
        [joints[:, elbow], (joints[:, elbow] + joints[:, wrist]) / 2, joints[:, wrist], hand], 1
    )
    heights, width, depth = outline(figure, shape)
    z = points[..., 2]
    half = np.interp(z, heights, width, left=0, right=0) + MARGIN
    front, back = (np.interp(z, heights, depth[:, k]) + MARGIN for k in (0, 1))
    across = points[..., 1] / np.where(points[..., 1] < 0, front, back)
    wanted = half * np.sqrt(np.maximum(1 - across**2, 0))
    overlap = np.maximum(wanted - sign * points[..., 0], 0) * (z > heights[0]) * (z < heights[-1])
    return overlap, np.linalg.norm(points - joints[:, [shoulder]], axis=-1)
