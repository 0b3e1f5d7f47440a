"""Arms for the authors of motions: hanging, swinging, on the hip, raised; as rotations of the four arm bones."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import least_squares

from pose_tools.body.figure import load_figure, rotation_matrices
from pose_tools.body.kinematics import about, mix
from pose_tools.body.prior import joint_prior

ARM = ("clavicle", "upperarm01", "lowerarm01", "wrist")
HANG = 31.0  # degrees that the upper arm comes down from the template's rest pose
BEND = 16.0  # degrees of bend that a hanging elbow keeps


def arm(side: str, curve: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Local rotations (T, 3, 3) of each arm bone from the arm curves of a score."""
    get = {kind: curve[f"{kind}_{side}"] for kind in ("swing", "out", "elbow", "spin", "hip", "raise", "wave")}
    sign = 1 if side == "L" else -1
    frames = len(get["swing"])
    axis, bent = elbow(side)
    hanging = about(1, sign * (np.radians(HANG) - get["out"]))
    turns = {
        "clavicle": np.tile(np.eye(3), (frames, 1, 1)),
        "upperarm01": about(0, -get["swing"]) @ hanging @ spin(side, get["spin"]),
        "lowerarm01": rotation_matrices(axis * (np.radians(BEND) + get["elbow"] - bent)[:, None]),
        "wrist": np.tile(np.eye(3), (frames, 1, 1)),
    }
    for posture, weight in ((hand_on_hip(side), get["hip"]), (raised(side), get["raise"])):
        turns = {bone: mix(turns[bone], posture[bone], weight) for bone in ARM}
    above = turns["clavicle"] @ turns["upperarm01"]
    turns["lowerarm01"] = np.swapaxes(above, 1, 2) @ about(1, sign * get["wave"]) @ above @ turns["lowerarm01"]
    return turns


def elbow(side: str) -> tuple[np.ndarray, float]:
    """The elbow's axis at rest, and by how many radians it is bent there."""
    figure, prior = load_figure(), joint_prior()
    at = list(prior.hinge_bone).index(figure.bone(f"lowerarm01.{side}"))
    shoulder, joint, wrist = (figure.joints[figure.bone(f"{b}.{side}")] for b in ARM[1:])
    up, fore = joint - shoulder, wrist - joint
    return prior.hinge_axis[at], float(np.arccos(up @ fore / np.linalg.norm(up) / np.linalg.norm(fore)))


def spin(side: str, angle: np.ndarray) -> np.ndarray:
    """Turn of the upper arm about its own length; positive brings the forearm inward."""
    figure = load_figure()
    along = figure.joints[figure.bone(f"lowerarm01.{side}")] - figure.joints[figure.bone(f"upperarm01.{side}")]
    along = along / np.linalg.norm(along)
    return rotation_matrices(along * np.asarray(angle)[..., None] * (1 if side == "R" else -1))


@lru_cache(maxsize=2)
def hand_on_hip(side: str) -> dict[str, np.ndarray]:
    """The hand on the crest of the hip, elbow out and a little back."""
    sign = 1 if side == "L" else -1
    return _reach(side, wrist=(sign * 0.205, -0.03, 0.105), elbow_at=(sign * 0.42, 0.10, 0.22))


@lru_cache(maxsize=2)
def raised(side: str) -> dict[str, np.ndarray]:
    """The hand beside and above the head, elbow out, as in a greeting."""
    sign = 1 if side == "L" else -1
    return _reach(side, wrist=(sign * 0.38, -0.20, 0.56), elbow_at=(sign * 0.36, -0.08, 0.34), shrug=5.0)


def _reach(side: str, wrist, elbow_at, shrug: float = 0.0) -> dict[str, np.ndarray]:
    """Rotations that bring the template's wrist to a place (the root's frame, metres), elbow near another."""
    figure = load_figure()
    rest = figure.joints.astype(float)
    shoulder, joint, hand = (rest[figure.bone(f"{b}.{side}")] for b in ARM[1:])
    collar = rest[figure.bone(f"clavicle.{side}")]
    sign = 1 if side == "L" else -1
    axis, bent = elbow(side)
    lift = about(1, -sign * np.radians(shrug))
    start = collar + lift @ (shoulder - collar)

    def place(x):
        upper, lower = rotation_matrices(x[:3]), rotation_matrices(axis * x[3])
        at = start + lift @ upper @ (joint - shoulder)
        return at, at + lift @ upper @ lower @ (hand - joint)

    def miss(x):
        at, end = place(x)
        return np.concatenate([2 * (end - wrist), at - elbow_at, 0.02 * x[:3]])

    low, high = [-3.0, -3.0, -3.0, -bent + 0.05], [3.0, 3.0, 3.0, 2.0]
    tries = [least_squares(miss, start_, bounds=(low, high)) for start_ in
             ([0, sign * 0.3, 0, 0.5], [-1.0, 0, 0, 0.5], [0, -sign, 0, 0.5], [0, 0, sign, 1.0])]
    x = min(tries, key=lambda t: t.cost).x
    return {"clavicle": lift, "upperarm01": rotation_matrices(x[:3]),
            "lowerarm01": rotation_matrices(axis * x[3]), "wrist": np.eye(3)}
