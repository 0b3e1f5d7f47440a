"""What is known of human joints before looking: how far each usually turns, and where hinges stop."""
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pose_tools.body.figure import Figure, load_figure

# usual turn of each bone about the world axes at rest, in radians
SPREAD = {
    "root": (0.1, 0.6, 1.0), "spine04": (0.2, 0.2, 0.2), "spine02": (0.2, 0.2, 0.2), "neck01": (0.25, 0.25, 0.25),
    "head": (0.4, 0.4, 0.4), "clavicle": (0.15, 0.15, 0.15), "upperarm01": (0.9, 0.9, 0.9), "wrist": (0.25, 0.25, 0.25),
    "upperleg01": (0.6, 0.35, 0.4), "lowerleg01": (0.7, 0.12, 0.2), "foot": (0.4, 0.2, 0.25),
}
ELBOW_SPREAD = (0.9, 0.4, 0.12)  # about the hinge, along the forearm, sideways
ARMS_DOWN = np.deg2rad(25)       # people on photographs hold their arms lower than the figure at rest


@dataclass(frozen=True)
class JointPrior:
    """Rotation vectors w (B, 3) are expected near `mean`, with `whiten` @ (w - mean) of unit spread.

    hinge_axis (K, 3), hinge_low and hinge_high (K,) in radians bound the turn of the bones hinge_bone (K,)."""

    mean: np.ndarray
    whiten: np.ndarray
    hinge_bone: np.ndarray
    hinge_axis: np.ndarray
    hinge_low: np.ndarray
    hinge_high: np.ndarray


@lru_cache(maxsize=1)
def joint_prior() -> JointPrior:
    """The prior for the bones of load_figure()."""
    figure = load_figure()
    mean = np.zeros((len(figure.bone_names), 3))
    whiten = np.zeros((len(mean), 3, 3))
    hinges = []
    for i, full in enumerate(figure.bone_names):
        name, _, side = full.partition(".")
        if name == "lowerarm01":
            axis, straight = _elbow(figure, side)
            fore = _unit(figure.joints[figure.bone(f"wrist.{side}")] - figure.joints[i])
            whiten[i] = np.stack([axis, fore, np.cross(axis, fore)]) / np.array(ELBOW_SPREAD)[:, None]
            hinges.append((i, axis, 0.05 - straight, 1.8))
            continue
        whiten[i] = np.diag(1 / np.array(SPREAD[name]))
        if name == "upperarm01":
            mean[i, 1] = ARMS_DOWN if side == "L" else -ARMS_DOWN
        if name == "lowerleg01":
            hinges.append((i, np.array([1.0, 0, 0]), -0.03, 2.2))
    bone, axis, low, high = (np.array(column) for column in zip(*hinges, strict=True))
    return JointPrior(mean, whiten, bone, axis, low, high)


def _elbow(figure: Figure, side: str):
    """The elbow's axis at rest, and the angle by which it is bent there."""
    shoulder, elbow, wrist = (figure.joints[figure.bone(f"{b}.{side}")] for b in ("upperarm01", "lowerarm01", "wrist"))
    upper, fore = _unit(elbow - shoulder), _unit(wrist - elbow)
    return _unit(np.cross(upper, fore)), np.arccos(upper @ fore)


def _unit(v):
    return v / np.linalg.norm(v)
