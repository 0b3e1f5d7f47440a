"""One person followed through frames in which several may be found."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pose_tools.estimators.found import Found

LEAST_OVERLAP = 0.15  # of the last box, below which somebody is somebody else
PATIENCE = 1.0  # seconds out of sight, after which the person is looked for in a wider and wider place


@dataclass
class Follower:
    """Picks the same person from frame to frame by where the box was.

    picked: a point (x, y in 0..1 of the frame) on the person in the first frame where somebody is found; None takes
    the largest.
    """

    fps: float
    picked: tuple[float, float] | None = None
    _box: np.ndarray | None = field(default=None, repr=False)
    _lost: int = field(default=0, repr=False)

    def take(self, people: list[Found]) -> Found | None:
        """The followed one of a frame's people, None where that one is not among them."""
        if not people:
            self._lost += self._box is not None
            return None
        chosen = self._first(people) if self._box is None else self._next(people)
        if chosen is None:
            self._lost += 1
        else:
            self._box, self._lost = np.asarray(chosen.box, float), 0
        return chosen

    def _first(self, people: list[Found]) -> Found:
        if self.picked is None:
            return max(people, key=lambda one: area(one.box))
        height, width = people[0].iuv.shape[:2]
        point = np.array(self.picked) * (width, height)
        return min(people, key=lambda one: (_away(point, one.box), area(one.box)))

    def _next(self, people: list[Found]) -> Found | None:
        room = 1 + self._lost / (PATIENCE * self.fps)
        middle, half = (self._box[:2] + self._box[2:]) / 2, (self._box[2:] - self._box[:2]) / 2
        wide = np.concatenate([middle - half * room, middle + half * room])
        best = max(people, key=lambda one: overlap(one.box, wide if self._lost else self._box))
        within = overlap(best.box, wide if self._lost else self._box)
        return best if within >= LEAST_OVERLAP / room**2 else None


def area(box: np.ndarray) -> float:
    """Pixels of a box (4,) x0, y0, x1, y1."""
    return float(max(box[2] - box[0], 0) * max(box[3] - box[1], 0))


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes (4,)."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    both = area(np.concatenate([low, high]))
    return both / max(area(one) + area(other) - both, 1e-9)


def _away(point: np.ndarray, box: np.ndarray) -> float:
    """Pixels from a point (2,) to a box, 0 inside."""
    return float(np.linalg.norm(np.maximum(0, np.maximum(box[:2] - point, point - box[2:]))))
