"""The embedded estimator for single frames: mediapipe's landmarks and mask, and the body that is fitted to them.

A whole clip is better read by pose_tools.body.track, which knows one build for it and weighs frames together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pose_tools.body.figure import load_figure
from pose_tools.body.fit import fit_picture
from pose_tools.body.raster import draw_iuv
from pose_tools.estimators.found import Found
from pose_tools.finding import find_person


class Lite:
    """An Estimator that finds the most prominent person of each frame."""

    name = "lite"
    batch = 1

    def find(self, frames: Sequence[np.ndarray]) -> list[list[Found]]:
        """RGB frames uint8 (H, W, 3) -> for each frame a list of one person, or of none."""
        return [_find(frame) for frame in frames]


def _find(frame: np.ndarray) -> list[Found]:
    person = find_person(frame)
    body = None if person is None else fit_picture(frame, person[0])
    if body is None:
        return []
    iuv = draw_iuv(load_figure(), body.shape, body.pose, body.camera)
    rows, columns = (np.flatnonzero((iuv[..., 0] > 0).any(axis)) for axis in (1, 0))
    if not len(rows):
        return []
    box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], float)
    return [Found(iuv, float(np.clip(body.overlap, 0, 1)), box)]
