"""Skirts: how deep they are, and what carries them. Works on the analysis grid, as relief.py does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from dreampose_core.carry.fill import smooth
from dreampose_core.carry.views import Tube
from pose_tools.body.figure import BONES, Figure, rotation_matrices

STILL = (0.0, 0.0, 0.0)  # the swing of cloth that hangs still
_HEM = 0.1  # of a skirt's length: the rows above the hem in which its width is not measured, for hems are slanted
_TIGHT, _FREE = 0.1, 0.35  # of its width that both legs side by side leave free: they move the skirt; it hangs alone
_HIPS = 0.12  # of the trunk's height in the picture: how far above the crotch the hips are as wide as they get


@dataclass(frozen=True)
class Skirt:
    """Rows of crotch and hem; of the rows of the grid (h,) centre and half the width of the cloth and half its depth,
    pixels; and how freely it hangs, 0 (tight, the legs move it) to 1 (it falls from the hips)."""

    crotch: int
    hem: int
    centre: np.ndarray
    half_width: np.ndarray
    half_depth: np.ndarray
    free: float


def measure_skirt(where: np.ndarray, body: Tube, leg_width: np.ndarray, crotch: int, hem: int, scale: float) -> Skirt:
    """The skirt of the trunk's layer `where` (h,w) bool over trunk and legs `body`. leg_width (h,): of one leg, in
    pixels, 0 where none is; scale: pixels a metre.

    At the hips it is as deep as they are; the wider it gets below them, the rounder.
    """
    rows = np.arange(len(where))
    depth = np.where(body.closed, (body.back - body.front) / 2 * scale, 0).max(1)
    hips = crotch - max(2, round(_HIPS * (crotch - np.flatnonzero(where.any(1))[0])))
    last = max(crotch, round(hem - _HEM * (hem - crotch)) - 1)
    centre, half = _span(where)
    own = _span(body.covers)[1]
    # below the hips cloth knows nothing of the legs, and at the hem nothing of its slant
    held = np.minimum(rows, last)
    centre, half = _blur(centre)[held], _blur(half)[held]
    own, depth = (_blur(values)[np.minimum(rows, hips)] for values in (own, depth))
    share = np.minimum(half, own) / np.maximum(np.maximum(half, own), 1)
    half_depth = np.where(half > own, half - (own - depth) * share, depth * share)
    loose = (1 - leg_width / np.maximum(half, 1))[crotch : last + 1].max()
    # what is wide at the hem falls straight down from the hips
    free = float(np.clip((loose - _TIGHT) / (_FREE - _TIGHT), 0, 1))
    return Skirt(crotch, hem, centre, half, np.where(half > 0, half_depth, 0), free)


def _span(where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(h,) f32 centre and half the width of the mask (h,w) in each row; half is 0 in empty rows."""
    first = where.argmax(1)
    last = where.shape[1] - 1 - where[:, ::-1].argmax(1)
    half = np.where(where.any(1), (last - first + 1) / 2, 0)
    return ((first + last) / 2).astype(np.float32), half.astype(np.float32)


def _blur(values: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(values.astype(np.float32)[:, None], (1, 9), 2.0, borderType=cv2.BORDER_REPLICATE)[:, 0]


def ramp(skirt: Skirt) -> np.ndarray:
    """(h,1) f32: 0 at the hips, 1 where the cloth is a skirt."""
    reach = max(3.0, 0.4 * skirt.half_width[skirt.crotch])
    rows = np.arange(len(skirt.centre), dtype=np.float32)
    return smooth(rows - (skirt.crotch - 2 * reach), 0, 2 * reach)[:, None]


def cushion(skirt: Skirt, width: int) -> np.ndarray:
    """(h,width) f32: half the depth in pixels of a skirt whose cross-sections are ellipses."""
    x = np.arange(width, dtype=np.float32)[None]
    across = (x - skirt.centre[:, None]) / np.maximum(skirt.half_width[:, None], 1)
    return skirt.half_depth[:, None] * np.sqrt(np.clip(1 - across**2, 0, 1))


def middle_depth(skirt: Skirt, middle: np.ndarray) -> np.ndarray:
    """middle (h,w) f32, the depth of a layer's middle, where it hangs: straight down from the hips."""
    row = skirt.crotch
    first, last = skirt.centre[row] + skirt.half_width[row] * np.array([-0.5, 0.5])
    hips = middle[max(0, row - 4) : row + 1, max(0, int(first)) : int(last) + 2].mean()
    share = skirt.free * ramp(skirt)
    return middle * (1 - share) + hips * share


def open_hem(where: np.ndarray, skirt: Skirt) -> np.ndarray:
    """The mask with its lower border pulled down, so that the hem stays as thick as the cloth above it."""
    out = where.copy()
    length = skirt.hem - skirt.crotch
    reach = max(6, length // 2)
    lowest = len(where) - 1 - where[::-1].argmax(0)
    for x in np.flatnonzero(where[max(skirt.crotch, 1) :].any(0)):
        if lowest[x] > skirt.hem - 0.12 * length - 2:
            out[lowest[x] : lowest[x] + reach, x] = True
    return out


def soft_weights(weights: np.ndarray, where: np.ndarray, skirt: Skirt) -> tuple[np.ndarray, np.ndarray]:
    """Weights (h,w,B) of a skirt, and (h,w) f32 the weight of its own hanging; together they sum to 1.

    The two legs shade into each other across the skirt, and it follows the thighs more than the shins and less than
    they move. As far as it hangs freely it leaves what both legs do together, and keeps a part of what parts them.
    """
    names = {name: i for i, name in enumerate(BONES)}
    crotch, hem = skirt.crotch, skirt.hem
    cloth = weights.copy()
    for side in "LR":
        upper, lower, foot = (names[f"{bone}.{side}"] for bone in ("upperleg01", "lowerleg01", "foot"))
        slack = 0.45 * cloth[..., lower] + cloth[..., foot]
        cloth[..., upper] += slack
        cloth[..., lower] -= 0.45 * cloth[..., lower]
        cloth[..., foot] = 0
    width = where[crotch:hem].sum(1).mean() if hem > crotch else 1.0
    inside = where.astype(np.float32)
    sigma = max(2.0, 0.22 * width)
    share = cv2.GaussianBlur(inside, (0, 0), sigma) + 1e-6
    near = share > 1e-3  # out of the blur's reach nothing would be left of the weights
    for bone in range(cloth.shape[-1]):
        if cloth[..., bone].any():
            even = cv2.GaussianBlur(cloth[..., bone] * inside, (0, 0), sigma) / share
            cloth[..., bone] = np.where(near, even, cloth[..., bone])
    rows = np.arange(len(where), dtype=np.float32)
    above = 0.12 * max(width, 20)
    soft = smooth(rows - (crotch - 2 * above), 0, 2.5 * above)[:, None, None]
    mixed = weights * (1 - soft) + cloth * soft
    mixed /= mixed.sum(-1, keepdims=True) + 1e-9
    free = skirt.free * ramp(skirt)
    hang = np.zeros(where.shape, np.float32)
    for bone in ("upperleg01", "lowerleg01"):
        left, right = (names[f"{bone}.{side}"] for side in "LR")
        both, apart = (mixed[..., left] + mixed[..., right]) / 2, (mixed[..., left] - mixed[..., right]) / 2
        hang += 2 * free * both
        both, apart = both * (1 - free), apart * (1 - 0.6 * free)
        mixed[..., left], mixed[..., right] = both + apart, both - apart
    return mixed, hang


def hanging(
    figure: Figure, shape: np.ndarray, transforms: np.ndarray, swing: Sequence[float] = STILL
) -> np.ndarray:
    """(3,4): what free hanging does to points at rest: it goes with the hips and turns with them about the vertical,
    and leans only as it swings. transforms (B,3,4): those of the bones; swing (3,): lean along x and y of the world and
    twist, radians (see swing.py)."""
    joint = figure.rest_joints(np.asarray(shape, np.float64))[0]
    moved = transforms[0, :, :3] @ joint + transforms[0, :, 3]
    across = transforms[0, :, 0]  # from the right hip to the left one
    along_x, along_y, twist = swing
    turn = rotation_matrices(np.array([0.0, 0.0, np.arctan2(across[1], across[0]) + twist]))
    # what is below the hips goes along x by a turn about -y, along y by one about x
    turn = rotation_matrices(np.array([along_y, -along_x, 0.0])) @ turn
    return np.concatenate([turn, (moved - turn @ joint)[:, None]], 1)


def lean_aside(figure: Figure, shape: np.ndarray, transforms: np.ndarray) -> float:
    """Tangent of the legs' lean, as from ankles to hips, to the person's own left, in the pose of the bones' transforms
    (B,3,4)."""
    rest = figure.rest_joints(np.asarray(shape, np.float64))
    hips, ankles = (
        np.mean([transforms[i, :, :3] @ rest[i] + transforms[i, :, 3] for i in map(BONES.index, pair)], 0)
        for pair in (("upperleg01.L", "upperleg01.R"), ("foot.L", "foot.R"))
    )
    across = transforms[0, :2, 0] / np.linalg.norm(transforms[0, :2, 0])
    return float((hips - ankles)[:2] @ across / max((hips - ankles)[2], 0.1))


def level_hem(rest: np.ndarray, rows: np.ndarray, crotch: float, lean: float) -> np.ndarray:
    """(N,) f32 metres up by which a skirt's points rest (N,3), of a person at rest, move to make the hem level.

    A lean pulls the hem askew, more than it turns the legs: so much of the slant goes as the lean may have made. That
    of an upright person is cut so. rows (N,): the points' in the photo; crotch: its row there; lean: see lean_aside.
    """
    begin = np.median(rest[np.abs(rows - crotch) < 2, 2])
    column = np.round(100 * rest[:, 0]).astype(int)  # centimetres
    order = np.lexsort((rest[:, 2], column))
    lowest = order[np.flatnonzero(np.diff(column[order], prepend=column.min() - 1))]
    x, z = rest[lowest, 0], rest[lowest, 2]
    ends = z < begin - 0.6 * (begin - z.min())
    if ends.sum() < 8:
        return np.zeros(len(rest), np.float32)
    x, z = x[ends], z[ends]
    slope = np.polyfit(x, z, 1)[0]
    slope = -np.sign(lean) * np.clip(-np.sign(lean) * slope, 0, abs(lean))
    share = smooth(begin - rest[:, 2], 0, begin - np.median(z))
    pivot = x.min() if slope < 0 else x.max()  # cloth that came further down would meet the shins
    return (slope * (pivot - np.clip(rest[:, 0], x.min(), x.max())) * share).astype(np.float32)
