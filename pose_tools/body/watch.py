"""Keeps an eye on one person through the frames of a clip: where to look, and whether it is still the same one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from pose_tools.body.sighting import Sighting
from pose_tools.finding import person_mask
from pose_tools.landmarks import Landmarks, find_landmarks

MARGINS = (0.35, 0.12)  # of the person's longer side, around the last box: at first generous, then clear of others
STRIPS = (0.3, 0.5, 0.8)  # of the frame's longer side: windows around a picked point
SAME = 0.35             # overlap of two boxes of one person in neighbouring frames
PATIENCE = 0.5          # seconds out of sight, after which somebody a little apart may be the same person too
LEAST_SEEN = 8          # landmarks that must be seen of somebody


@dataclass
class Watch:
    """Sees one person, frame after frame.

    picked: a point (x, y in 0..1 of the frame) on the person, None takes the most prominent one.
    """

    fps: float
    picked: tuple[float, float] | None = None
    _box: np.ndarray | None = field(default=None, repr=False)
    _lost: int = field(default=0, repr=False)

    def look(self, frame: np.ndarray) -> Sighting | None:
        """The person in the next RGB frame uint8 (H, W, 3); None where the person is not seen."""
        found = self._first(frame) if self._box is None else self._again(frame)
        if found is None:
            self._lost += 1
            return None
        landmarks, window = found
        self._box, self._lost = person_box(landmarks), 0
        looks = [landmarks]
        other = _look(frame, window, mirrored=True)
        if other is not None and overlap(person_box(other), self._box) > SAME:
            looks.append(other)
        return Sighting.of(looks)

    def _first(self, frame):
        whole = (0, 0, frame.shape[1], frame.shape[0])
        if self.picked is None:
            found = _look(frame, whole)
            return None if found is None else (found, whole)
        point = np.array(self.picked) * frame.shape[1::-1]
        tries = [whole] + [_window(np.concatenate([point, point]), share * max(frame.shape[:2]) / 2, frame, tall=True)
                           for share in STRIPS]
        apart = []
        for window in tries:
            found = _look(frame, window)
            if found is not None:
                away = _away(point, found)
                apart.append((away, found, window))
                if away < 1:
                    break
        if not apart:
            return None
        _, found, window = min(apart, key=lambda each: each[0])
        return found, window

    def _again(self, frame):
        room = 1 + self._lost / (PATIENCE * self.fps)
        size = max(self._box[2:] - self._box[:2])
        for margin in MARGINS:
            window = _window(self._box, margin * size * room, frame)
            found = _look(frame, window)
            if found is not None and overlap(person_box(found), self._box) >= SAME / room**2:
                return found, window
        return None


def _look(frame: np.ndarray, window: tuple[int, int, int, int], mirrored: bool = False) -> Landmarks | None:
    """Landmarks in a window (x0, y0, x1, y1), in pixels of the frame, with the mask of this one person."""
    x0, y0, x1, y1 = window
    part = frame[y0:y1, x0:x1]
    found = find_landmarks(np.ascontiguousarray(part[:, ::-1] if mirrored else part))
    if found is None:
        return None
    found = found.mirrored() if mirrored else found
    person = person_mask(found)
    if person is None or (found.visibility > 0.3).sum() < LEAST_SEEN:
        return None
    mask = np.zeros(frame.shape[:2], np.float32)
    mask[y0:y1, x0:x1] = found.mask * person
    return replace(found, points=found.points + (x0, y0), mask=mask)


def _window(box: np.ndarray, margin: float, frame: np.ndarray, tall: bool = False) -> tuple[int, int, int, int]:
    """A box and a margin around it, within the frame; a tall one takes all of its height."""
    height, width = frame.shape[:2]
    low = np.floor(np.clip(box[:2] - margin, 0, [width - 16, height - 16])).astype(int)
    high = np.ceil(np.clip(box[2:] + margin, low + 16, [width, height])).astype(int)
    return (low[0], 0, high[0], height) if tall else (*low, *high)


def person_box(landmarks: Landmarks) -> np.ndarray:
    """x0, y0, x1, y1 around the mask and the landmarks that are seen, within the picture."""
    rows, columns = (np.flatnonzero((landmarks.mask > 0.5).any(axis)) for axis in (1, 0))
    places = landmarks.points[landmarks.visibility > 0.5]
    places = np.concatenate([places, [[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]]])
    size = landmarks.mask.shape[1::-1]
    return np.concatenate([np.clip(places.min(0), 0, size), np.clip(places.max(0), 0, size)])


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes (4,)."""
    both = np.prod(np.maximum(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0))
    return float(both / max(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - both, 1e-9))


def _away(point: np.ndarray, found: Landmarks) -> float:
    """Pixels from a point (2,) to the person's mask, 0 on it."""
    rows, columns = np.nonzero(found.mask > 0.5)
    return float(np.hypot(columns + 0.5 - point[0], rows + 0.5 - point[1]).min()) if len(rows) else np.inf
