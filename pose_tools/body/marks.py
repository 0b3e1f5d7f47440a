"""Where mediapipe's landmarks lie: not on the body's own points, and too near or too deep.

It marks the ears 4 cm nearer to the face, the hips before the joints and the heels above the ground; and the depths
that it gives make people stoop, with bent knees and the chin ahead. Both are errors of the mean, many times larger in
the picture than what differs from one picture to the next (1 cm), and in depth about as large (6 to 10 cm). Without
them bodies are fitted to photos of upright people as they are: before, all leaned forward by some 15 degrees.

Found on 720 pictures of 120 rendered people, whose joints and turns are known (`python -m pose_tools.people`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Landmark of the middle or of the person's left: centimetres at rest, in the figure's axes, from the figure's anchor to
# what is marked; and centimetres too deep, times 1, cos f, sin f, cos 2f and sin 2f of the heading f.
_ERRORS = {
    0: ((0.0, 0.7, 1.5), (-3.3, -13.2, 0.0, 0.4, 0.0)),  # nose
    2: ((0.2, -0.5, 0.9), (-4.4, -13.9, -1.6, 0.6, 0.0)),  # eye
    7: ((-2.6, -3.2, -0.2), (-4.2, -8.1, 0.7, -0.3, 0.1)),  # ear
    11: ((-0.8, -0.1, 1.7), (-3.1, -5.6, -0.2, -0.6, -1.1)),  # shoulder
    13: ((-1.3, -0.5, 1.6), (-3.2, -2.1, -4.4, -0.8, -0.6)),  # elbow
    15: ((-0.2, -0.6, -0.4), (-5.7, -3.8, -11.3, -0.5, 0.3)),  # wrist
    17: ((-1.5, -1.2, 1.5), (-6.9, -4.1, -10.7, -0.1, 0.3)),  # little finger
    19: ((-1.0, 2.5, -0.5), (-8.5, -4.2, -9.6, -0.4, 0.3)),  # forefinger
    23: ((-1.7, -4.1, -0.9), (0.0, 0.0, 1.1, 0.0, -0.8)),  # hip
    25: ((-0.6, 0.2, 0.7), (0.4, -2.5, 0.7, -0.5, -1.6)),  # knee
    27: ((-0.3, -1.5, 3.4), (7.2, -8.4, 2.0, 3.5, -2.3)),  # ankle
    29: ((-2.1, -2.2, 3.0), (7.0, -13.1, 3.7, 3.8, -2.2)),  # heel
    31: ((-0.8, 1.3, -1.5), (-1.4, 1.2, 4.2, 2.8, -2.1)),  # toes
}
# How the depths err from one picture to the next: hardly a limb's against its own parts, much a limb's as a whole. Rows
# of landmarks, whose mean depth is measured against the mean of others (none: the middle of the hips), and the standard
# deviation in centimetres, with 1 to 2 more for what people's faces and feet differ from the figure's. Left against
# right counts less than it errs (12 for 2 to 4): mediapipe turns people to one side by 3 degrees.
_STEPS = (
    ((11, 12), (), 6.0), ((11,), (12,), 12.0), ((23,), (24,), 12.0), ((27, 28), (), 4.5), ((27,), (28,), 17.0),
    ((7, 8), (11, 12), 2.0), ((7,), (8,), 12.0), ((0,), (7, 8), 2.0), ((2, 5), (7, 8), 2.0), ((2,), (5,), 12.0),
    ((13,), (11,), 5.0), ((15,), (13,), 5.0), ((17,), (15,), 2.0), ((19,), (15,), 2.0),
    ((14,), (12,), 5.0), ((16,), (14,), 5.0), ((18,), (16,), 2.0), ((20,), (16,), 2.0),
    ((25,), (23, 27), 3.0), ((29,), (27,), 2.0), ((31,), (29,), 3.0),
    ((26,), (24, 28), 3.0), ((30,), (28,), 2.0), ((32,), (30,), 3.0),
)
_LEFT_OF = {5: 2, 8: 7, 12: 11, 14: 13, 16: 15, 18: 17, 20: 19, 24: 23, 26: 25, 28: 27, 30: 29, 32: 31}


def mark_shifts(index: NDArray[np.integer]) -> NDArray[np.float64]:
    """(L, 3) metres at rest from the figure's anchors of the landmarks `index` (L,) to where those are seen."""
    shifts = [np.array(_ERRORS[_LEFT_OF.get(i, i)][0]) * ((-1 if i in _LEFT_OF else 1), 1, 1) for i in map(int, index)]
    return np.array(shifts) / 100


def depth_errors(index: NDArray[np.integer], yaw: float) -> NDArray[np.float64]:
    """(L,) metres by which the landmarks `index` (L,) lie too deep on the mean, beside the middle of the hips.

    yaw: where the person faces, in radians, 0 toward the camera, positive toward the picture's right.
    """
    left, right = (np.array([1, np.cos(f), np.sin(f), np.cos(2 * f), np.sin(2 * f)]) for f in (yaw, -yaw))
    waves = [(_ERRORS[_LEFT_OF.get(i, i)][1], right if i in _LEFT_OF else left) for i in map(int, index)]
    return np.array([np.dot(*pair) for pair in waves]) / 100


def depth_steps(index: NDArray[np.integer]) -> NDArray[np.float64]:
    """(S, L) by which the depths of the landmarks `index` (L,), metres from the middle of the hips, become S measures
    that err independently, each by 1 on the mean square."""
    at = {int(landmark): column for column, landmark in enumerate(index)}
    steps = np.zeros((len(_STEPS), len(index)))
    for row, (of, against, spread) in zip(steps, _STEPS, strict=True):
        row[[at[i] for i in of]] = 100 / spread / len(of)
        row[[at[i] for i in against]] = -100 / spread / max(len(against), 1)
    return steps
