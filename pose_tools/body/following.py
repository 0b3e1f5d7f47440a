"""How a motion that was read from a video stands on another body: the pose it names wins, feet and way included.

A gallery motion changes the photo's own pose; a tracked one replaces it within a short passage. Its feet take the
driving person's stance, and its way across the picture is the driving person's, measured in legs.
"""

from __future__ import annotations

import numpy as np

from pose_tools.body.footing import Stand, plant
from pose_tools.body.kinematics import FORWARD, about, heading, mix

SEEN_FROM_ABOVE = np.radians(6)  # by which a photo's camera, higher than the feet, makes them point down
HEEL = np.radians(30)            # most that is kept of the photo's heels


def heels(photo: np.ndarray) -> float:
    """By how many radians both shoes of the photo's feet (2, 3, 3) lift the heel: shoes come in pairs, and on unlike
    ones a level pelvis has one straight leg and one bent."""
    upright = about(2, -heading(photo)) @ photo
    return float(np.clip(_pointing(upright) - SEEN_FROM_ABOVE, 0, HEEL).mean())


def travelled(path: np.ndarray, way: np.ndarray, legs: float) -> np.ndarray:
    """The root's path (T, 3) over its feet, with the way (T, 2) of the driving person in legs: across, lifted."""
    path = path.copy()
    path[:, 0] = (way[:, 0] - way[0, 0]) * legs
    path[:, 2] += way[:, 1] * legs
    return path


def sole_turns(
    rotation: np.ndarray, contact: np.ndarray, photo: np.ndarray, heel: float, away: np.ndarray
) -> np.ndarray:
    """World rotations (T, 3, 3) of a foot: the motion's, on the photo's heels; away (T,) 0 where the photo's own.

    rotation (T, 3, 3): the motion's foot in the world; contact (T,) bool; photo (3, 3): the photo's foot; heel:
    radians, see heels.
    """
    turn = heading(rotation)
    tilt = np.swapaxes(about(2, turn), 1, 2) @ rotation
    standing = np.median(_pointing(tilt[contact] if contact.any() else tilt))
    own = about(2, turn) @ tilt @ about(0, heel - float(standing))
    return mix(np.broadcast_to(photo, own.shape), own, away)


def plants(
    ankles: list[np.ndarray], soles: list[np.ndarray], contacts: np.ndarray, stood: list[np.ndarray],
    shift: np.ndarray, ground: float, away: np.ndarray,
) -> list[np.ndarray]:
    """The offset (T, 3) of either foot that makes it stand still, and start from where it stood in the photo.

    ankles (T, 3) and soles (T, 2, 3) of both feet; stood: their ankles (3,) in the photo; shift (2,), ground: see
    Stand. A foot that does not step glides into its place during the passage.
    """
    offsets = []
    for f in range(2):
        heel_or_toe = soles[f][0, :, 2].min()
        first = ankles[f][0] + [*shift, ground - heel_or_toe]
        offset = plant(ankles[f], soles[f], contacts[:, f], Stand(first, None, shift, 1.0, ground))
        passage = stood[f] - ankles[f][0] - offset[0]
        offsets.append(offset + (1 - away)[:, None] * passage)
    return offsets


def _pointing(tilt: np.ndarray) -> np.ndarray:
    """By how many radians a foot (..., 3, 3) points down."""
    return np.arcsin(np.clip(-(tilt @ FORWARD)[..., 2], -1, 1))
