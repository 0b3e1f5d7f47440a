"""Where a person is in a picture: 33 body landmarks and a person mask, by the models in mediapipe's wheel.

mediapipe 0.10.14, solutions.pose, complexity 1 (BlazePose, Bazarevsky et al., 2020): no download is needed.
Knows nothing of bodies or charts.
"""
import os
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock

import cv2
import numpy as np

# landmark i of the mirrored picture is landmark MIRROR[i] of the picture
MIRROR = np.array([0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(i + 1 - 2 * ((i - 11) % 2) for i in range(11, 33))])
_lock = Lock()


@dataclass(frozen=True)
class Landmarks:
    """What was found of one person in a picture of H x W pixels. Left and right are the person's own.

    The indices are mediapipe's: 0 nose, 2/5 eyes, 7/8 ears, 11/12 shoulders, 13/14 elbows, 15/16 wrists,
    17/18 little fingers, 19/20 index fingers, 23/24 hips, 25/26 knees, 27/28 ankles, 29/30 heels, 31/32 toes.
    """

    points: np.ndarray      # (33, 2) px; may lie outside the picture
    visibility: np.ndarray  # (33,) 0..1
    world: np.ndarray       # (33, 3) metres about the hips: picture's right, down, away from the camera
    mask: np.ndarray        # (H, W) f32 0..1, how surely the person

    def mirrored(self) -> "Landmarks":
        """The landmarks of the mirrored picture's person, whose left hand is this one's right."""
        width = self.mask.shape[1]
        return Landmarks(self.points[MIRROR] * [-1, 1] + [width, 0], self.visibility[MIRROR],
                         self.world[MIRROR] * [-1, 1, 1], np.ascontiguousarray(self.mask[:, ::-1]))


@lru_cache(maxsize=1)
def _detector():
    # without these, mediapipe and its runtime print a page of notices on every start
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import mediapipe

    return mediapipe.solutions.pose.Pose(static_image_mode=True, model_complexity=1, enable_segmentation=True)


def find_landmarks(picture: np.ndarray, border: tuple[int, int] = (0, 0)) -> Landmarks | None:
    """Landmarks of the person in an RGB picture (H, W, 3) uint8, or None where no person is found.

    border: pixels (left and right, top and bottom) by which the picture's edge is repeated outward before
    looking; the detector sees another crop then, and finds some turned or cropped people better. The answer is
    in the pixels of the picture all the same.
    """
    height, width = picture.shape[:2]
    bx, by = border
    seen = np.ascontiguousarray(picture)
    if bx or by:
        seen = cv2.copyMakeBorder(seen, by, by, bx, bx, cv2.BORDER_REPLICATE)
    with _lock:
        found = _detector().process(seen)
    if found.pose_landmarks is None:
        return None
    points = np.array([[p.x, p.y] for p in found.pose_landmarks.landmark]) * [width + 2 * bx, height + 2 * by]
    mask = found.segmentation_mask[by:by + height, bx:bx + width]
    return Landmarks(
        points - [bx, by], np.array([p.visibility for p in found.pose_landmarks.landmark]),
        np.array([[p.x, p.y, p.z] for p in found.pose_world_landmarks.landmark]),
        np.ascontiguousarray(mask, np.float32))
