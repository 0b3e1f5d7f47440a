"""Other ways of carrying a photo into a pose, to be measured beside the sheet of `dreampose_core.carry`.

Both follow the charts alone: each pixel of the target takes its colour from where the photo's body shows the same
place. They need no body with depth, but they know nothing of what lies beyond the body's outline, or behind it.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial import cKDTree

from dreampose_core.carry import Carried
from dreampose_core.subject import Subject

NEAR = 10.0  # levels of 255 in U and V within which the photo shows a place
REACH = 0.16  # of the picture's height: how far the flow is extended beyond the body


def along_charts(subject: Subject, background: np.ndarray, iuv: np.ndarray) -> Carried:
    """The photo's body in the charts of a target pose; beyond its outline the background.

    background: uint8 (H, W, 3), the photo without the person; iuv: uint8 (H, W, 3), the target's charts.
    """
    source, seen = _sources(subject.charts, iuv)
    body = (iuv[..., 0] > 0).astype(np.float32)
    return _drawn(subject, background, iuv, source, body, seen * body)


def beyond_outline(subject: Subject, background: np.ndarray, iuv: np.ndarray) -> Carried:
    """The same with the flow of the nearest place of the body for the pixels around it: skirts and hair come along."""
    source, seen = _sources(subject.charts, iuv)
    body = iuv[..., 0] > 0
    height, width = body.shape
    distance, (row, column) = distance_transform_edt(~body, return_indices=True)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    moved = np.stack([source[..., 0] - x, source[..., 1] - y], -1)[row, column]
    blurred = cv2.GaussianBlur(moved, (0, 0), 0.01 * height)  # neighbours of different parts tear the cloth apart
    extended = np.where(body[..., None], source, np.stack([x, y], -1) + blurred).astype(np.float32)
    loose = np.where(subject.charts[..., 0] > 0, 0, subject.mask)  # the body itself is carried already
    mask = cv2.remap(loose, extended[..., 0], extended[..., 1], cv2.INTER_LINEAR, borderValue=0)
    alpha = np.where(body, 1.0, mask * (distance < REACH * height)).astype(np.float32)
    fading = np.where(body, seen, seen[row, column] * np.exp(-distance / (0.05 * height)))
    return _drawn(subject, background, iuv, extended, alpha, (fading * alpha).astype(np.float32))


def _sources(photo: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H,W,2) f32 pixels (x, y) of the photo that show the target's places, and (H,W) f32 how surely, 0…1; both charts
    uint8 (H,W,3)."""
    height, width = target.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    source, seen = np.stack([x, y], -1), np.zeros((height, width), np.float32)
    for part in np.unique(target[..., 0][target[..., 0] > 0]):
        here, there = target[..., 0] == part, photo[..., 0] == part
        if not there.any():
            continue
        distance, nearest = cKDTree(photo[there][:, 1:]).query(target[here][:, 1:])
        source[here] = np.argwhere(there)[nearest][:, ::-1]
        seen[here] = np.clip(1.5 - distance / NEAR, 0, 1)
    return source, seen


def _drawn(
    subject: Subject, background: np.ndarray, iuv: np.ndarray, source: np.ndarray, alpha: np.ndarray, seen: np.ndarray
) -> Carried:
    colours = cv2.remap(subject.photo, source[..., 0], source[..., 1], cv2.INTER_LINEAR)
    picture = colours * alpha[..., None] + background * (1 - alpha[..., None])
    return Carried((picture + 0.5).astype(np.uint8), alpha, seen.astype(np.float32), iuv)
