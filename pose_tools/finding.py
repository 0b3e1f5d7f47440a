"""Who is in a picture: the person's pieces of the mask, a closer look at somebody small, and anybody else."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from pose_tools.landmarks import Landmarks, find_landmarks

DARK = 26  # a picture whose brightest parts (95 of 100 pixels below) stay under this level of 255
CLOSE = 0.6  # a person of less than this part of the picture's height is looked at once more from nearby
SECOND_AREA = 0.08  # of the first one's area
SECOND_SIZE = 0.4  # height of a second person, as a part of the first one's, from which on it counts


def too_dark(picture: np.ndarray) -> bool:
    """Whether nobody could be seen in an RGB picture uint8 (H, W, 3), for want of light."""
    return bool(np.percentile(picture.max(axis=2), 95) < DARK)


def find_person(picture: np.ndarray) -> tuple[Landmarks, np.ndarray] | None:
    """Landmarks of the most prominent person and the person's mask, bool (H, W); None where nobody is found.

    Somebody small is looked at a second time from nearby.
    """
    landmarks = find_landmarks(picture)
    person = None if landmarks is None else person_mask(landmarks)
    if person is None:
        return None
    (top, bottom), (left, right) = extent(person, axis=1), extent(person, axis=0)
    if bottom - top > CLOSE * picture.shape[0]:
        return landmarks, person
    margin = (bottom - top) // 3
    x, y = max(0, left - margin), max(0, top - margin)
    near = find_landmarks(np.ascontiguousarray(picture[y : bottom + margin, x : right + margin]))
    if near is None:
        return landmarks, person
    mask = np.zeros(picture.shape[:2], np.float32)
    mask[y : bottom + margin, x : right + margin] = near.mask
    near = replace(near, points=near.points + (x, y), mask=mask)
    closer = person_mask(near)
    return (landmarks, person) if closer is None else (near, closer)


def person_mask(landmarks: Landmarks) -> np.ndarray | None:
    """The pieces of the mask on which landmarks lie, bool (H, W); None if there are none."""
    count, pieces = cv2.connectedComponents((landmarks.mask > 0.5).astype(np.uint8))
    height, width = landmarks.mask.shape
    inside = ((landmarks.points >= 0) & (landmarks.points < (width, height))).all(axis=1)
    x, y = landmarks.points[inside].astype(int).T
    hits = np.bincount(pieces[y, x], minlength=count)
    hits[0] = 0
    return (hits > 0)[pieces] if hits.any() else None


def is_somebody_else(picture: np.ndarray, person: np.ndarray) -> bool:
    """Whether there is another person of a like size: looks again with the first one painted over."""
    size = np.ptp(extent(person, axis=1))
    left, right = extent(person, axis=0)
    covered = grown(person, round(0.04 * size))
    rest = _painted_over(picture, covered)
    for start, end in ((0, rest.shape[1]), (0, left), (right, rest.shape[1])):
        if end - start < SECOND_SIZE / 3 * size:
            continue
        found = find_landmarks(np.ascontiguousarray(rest[:, start:end]))
        other = None if found is None else person_mask(found)
        if other is None:
            continue
        seen = found.visibility >= 0.5
        high = np.ptp(found.points[seen, 1]) if seen.sum() >= 12 else 0.0
        if high >= SECOND_SIZE * size and (other & ~covered[:, start:end]).sum() >= SECOND_AREA * person.sum():
            return True
    return False


def extent(person: np.ndarray, axis: int) -> tuple[int, int]:
    """First row (axis 1) or column (axis 0) of a bool mask (H, W) that is set, and the one after the last."""
    found = np.flatnonzero(person.any(axis=axis))
    return int(found[0]), int(found[-1]) + 1


def grown(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A bool mask (H, W), larger by so many pixels all around."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return cv2.dilate(mask.astype(np.uint8), kernel) > 0


def _painted_over(picture: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """The picture with a hole filled, coarsely: the fill only hides somebody from the finder."""
    factor = min(1.0, 200 / max(picture.shape[:2]))
    size = max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor))
    hole = cv2.resize(covered.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    small = cv2.inpaint(small, (hole > 0).astype(np.uint8), 3, cv2.INPAINT_TELEA)
    fill = cv2.resize(small, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.where(covered[..., None], fill, picture)
