"""The views of a subject's photos that it is finetuned on: crops, flips and small turns, with their charts.

A look is the photo with one set of charts and one carried picture; a crop is a similarity of the picture's
plane, mirrored or not. Both are drawn from a seed, so that every run enumerates the same ones. Knows nothing
of networks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from dreampose_core.carry import Carried, carry
from pose_tools.body.charts import mirror_iuv
from pose_tools.body.figure import load_figure
from pose_tools.body.raster import draw_iuv

if TYPE_CHECKING:
    from dreampose_core.carry import Sheet
    from dreampose_core.subject import Subject

POSES = 5
JOINT_SPEED = (
    0.04  # standard deviation in radians a frame: how far the poses around the photo's own are from it
)
JOINT_ERROR = 0.015  # radians: the carried picture is as wrong as a fit is
ZOOM = (0.92, 1.15)
TURN = 4.0  # degrees
SHIFT = 0.06  # of the picture's side


@dataclass(frozen=True, eq=False)
class Look:
    """What one training picture is made of.

    photo: uint8 (H, W, 3), the truth; mask: float32 (H, W), 0…1 the person; charts: uint8 (5, H, W, 3), the
    poses around it, its own in the middle; carried: a carried picture of this pose, or None for a model
    without; of: which of the subject's photos it shows, 0 is the main one.
    """

    photo: np.ndarray
    mask: np.ndarray
    charts: np.ndarray
    carried: Carried | None
    of: int = 0


@dataclass(frozen=True)
class Crop:
    """zoom: times larger; turn: degrees; shift: right and down, in sides of the picture; flip: at last."""

    zoom: float
    turn: float
    shift: tuple[float, float]
    flip: bool


def looks_of(subject: Subject, sheet: Sheet | None, count: int, seed: int, of: int = 0) -> list[Look]:
    """Looks of one photo of a subject: first standing still in the photo's own pose, then as if caught in some
    slow movement.

    The carried pictures are drawn for poses that are off by as much as a fit is, so that the network learns
    to follow the charts where the two differ; without a sheet there are none. of: the photo's number.
    """
    rng = np.random.default_rng([seed, 0, of])
    body, figure = subject.body, load_figure()
    looks = []
    for index in range(count):
        speed = rng.normal(0, JOINT_SPEED, body.pose.rotations.shape) * (index > 0)
        error = rng.normal(0, JOINT_ERROR, body.pose.rotations.shape) * (index > 0)
        charts = [
            subject.charts
            if step == 0 or index == 0
            else draw_iuv(figure, body.shape, _moved(body.pose, step * speed), body.camera)
            for step in range(-(POSES // 2), POSES // 2 + 1)
        ]
        carried = carry(sheet, _moved(body.pose, error)) if sheet is not None else None
        looks.append(Look(subject.photo, subject.mask, np.stack(charts), carried, of))
    return looks


def draw_crops(count: int, seed: int) -> list[Crop]:
    """The first is the picture as it is; every second one is flipped."""
    rng = np.random.default_rng([seed, 1])
    crops = [Crop(1.0, 0.0, (0.0, 0.0), False)]
    for index in range(1, count):
        zoom, turn = float(rng.uniform(*ZOOM)), float(rng.uniform(-TURN, TURN))
        crops.append(Crop(zoom, turn, tuple(rng.uniform(-SHIFT, SHIFT, 2).tolist()), index % 2 == 1))
    return crops


def look_of_crop(index: int, looks: int) -> int:
    """Which of the looks a crop cuts: all in turn, and each of them as often flipped as not."""
    return (index + (index // looks if looks % 2 == 0 else 0)) % looks


def apply_crop(look: Look, crop: Crop) -> Look:
    """The look as it is seen through a crop; beyond the photo's border its last pixels go on."""
    height, width = look.photo.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), crop.turn, crop.zoom)
    matrix[:, 2] += crop.shift[0] * width, crop.shift[1] * height

    def warp(plane: np.ndarray, nearest: bool = False) -> np.ndarray:
        how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
        border = cv2.BORDER_CONSTANT if nearest else cv2.BORDER_REPLICATE
        out = cv2.warpAffine(
            np.ascontiguousarray(plane), matrix, (width, height), flags=how, borderMode=border
        )
        return np.ascontiguousarray(out[:, ::-1]) if crop.flip and not nearest else out

    def warp_charts(iuv: np.ndarray) -> np.ndarray:
        out = warp(iuv, nearest=True)
        return mirror_iuv(out) if crop.flip else out

    carried = look.carried
    if carried is not None:
        carried = replace(
            carried,
            picture=warp(carried.picture),
            alpha=warp(carried.alpha),
            visibility=warp(carried.visibility),
            iuv=warp_charts(carried.iuv),
        )
    charts = np.stack([warp_charts(one) for one in look.charts])
    return Look(warp(look.photo), warp(look.mask), charts, carried, look.of)


def _moved(pose, by: np.ndarray):
    return replace(pose, rotations=pose.rotations + by)
