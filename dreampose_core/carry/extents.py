"""Where layers go on behind one another: the trunk behind arms, legs under a skirt, both under each other at shoulders.

Works on the analysis grid, as layers.py does.
"""

from __future__ import annotations

import cv2
import numpy as np

from dreampose_core.carry.fill import bleed, grow, signed_distance, smooth_fill
from dreampose_core.carry.views import (
    ARM_L,
    ARM_R,
    GROUPS,
    LEG_L,
    LEG_R,
    LOWER_ARM_PARTS,
    TRUNK,
    UPPER_ARM_PARTS,
    BodyView,
    between_legs,
)
from pose_tools.body.figure import BONES


def extents(
    label: np.ndarray, person: np.ndarray, covered: np.ndarray, view: BodyView, crotch: int, hem: int
) -> np.ndarray:
    """(GROUPS,h,w) bool: each layer with what other layers hide of it."""
    rows = np.arange(len(label))[:, None]
    trunk = view.tubes[TRUNK].covers | (between_legs(view) & (rows < max(hem, crotch)))
    legs = view.tubes[LEG_L].covers | view.tubes[LEG_R].covers
    # legs go on under a skirt; less far under a tight one, which never shows more of them
    lower = slice((crotch + hem) // 2, max(hem, crotch + 1))
    free = 1 - (legs & person)[lower].sum() / max(person[lower].sum(), 1)
    under = round(0.25 * np.clip(free / 0.3, 0.3, 1) * legs.any(1).sum())
    out = np.zeros((GROUPS, *label.shape), bool)
    for group in range(GROUPS):
        seen = label == group
        body = trunk if group == TRUNK else view.tubes[group].covers
        if group >= LEG_L:
            body = body & (rows > hem - under)
        out[group] = seen
        if not (seen.any() and body.any()):
            continue
        away = signed_distance(body)
        border = seen & grow(~person, 1)
        most = 3.0 if group in (ARM_L, ARM_R) else 12.0
        reach = np.clip(away, -3, most)
        if group == TRUNK:  # cloth lies close to the body under the arms; a skirt's flare begins below
            sleeve = np.isin(view.part, UPPER_ARM_PARTS + LOWER_ARM_PARTS) & ~seen & (rows < crotch)
            border, reach = border | sleeve, np.where(sleeve, 1.0, reach)
        beyond = smooth_fill(reach, border) if border.any() else np.zeros_like(away)
        if group == TRUNK:  # a hand hides little more of a skirt than is seen beside it
            seam = seen & grow(person & ~seen, 1)
            least = np.where(seam, np.maximum(away, 0), 99).astype(np.float32)
            least = cv2.erode(least, np.ones((13, 5), np.uint8))
            beyond = np.minimum(beyond, bleed(least, seam) + 1.5) if seam.any() else beyond
        # only arms hang before the trunk; a skirt's flare must not run on over the legs
        over = person & ~seen
        if group == TRUNK:
            over = np.isin(label, (ARM_L, ARM_R)) & _reached_along_rows(covered, seen | view.tubes[TRUNK].covers)
        hidden = over & (away <= beyond + 0.5)
        if group == TRUNK and hem > crotch:
            hidden |= _behind_hands(seen, label, crotch, hem)
        rounded = cv2.GaussianBlur((seen | hidden).astype(np.float32), (0, 0), 1.5) > 0.5
        out[group] |= over & rounded
    return out


def _behind_hands(seen: np.ndarray, label: np.ndarray, crotch: int, hem: int) -> np.ndarray:
    """(h,w) bool: what an arm hides of a skirt whose edge is seen above and below: between the two it is straight."""
    arms = np.isin(label, (ARM_L, ARM_R))
    out = np.zeros_like(seen)
    rows = np.arange(max(0, crotch - (hem - crotch) // 2), hem)
    rows = rows[seen[rows].any(1)]
    for mirrored in (False, True):
        cloth, arm, found = (a[:, ::-1] if mirrored else a for a in (seen, arms, out))
        edge = cloth.shape[1] - 1 - cloth[rows, ::-1].argmax(1)
        beyond = arm[rows, np.minimum(edge + 1, arm.shape[1] - 1)]
        free = np.flatnonzero(~beyond)
        for i in np.flatnonzero(beyond):
            above, below = free[free < i], free[free > i]
            if len(above) and len(below):
                a, b = above[-1], below[0]
                straight = edge[a] + (edge[b] - edge[a]) * (rows[i] - rows[a]) / (rows[b] - rows[a])
                found[rows[i], edge[i] : int(straight) + 1] = True
    return out & arms


def _reached_along_rows(solid: np.ndarray, core: np.ndarray) -> np.ndarray:
    """(h,w) bool: pixels whose row reaches a pixel of the core without leaving the solid person."""
    flat = np.pad(solid, ((0, 0), (1, 1))).ravel()
    run = np.cumsum(flat[1:] != flat[:-1])
    run = np.concatenate([[0], run]).reshape(len(solid), -1)[:, 1:-1]
    return solid & np.isin(run, np.unique(run[solid & core]))


def overlap_shoulders(extent: np.ndarray, label: np.ndarray, skin: np.ndarray, view: BodyView) -> np.ndarray:
    """Lets trunk and arms run under each other at the shoulders (extent, in place), as far as the skin there moves
    with both, so that a raised arm opens no crack. A sleeveless dress does not run on over a bare arm.

    Returns (GROUPS,h,w) bool: the overlaps, and some way beyond them, where each goes on open.
    """
    cut = np.zeros_like(extent)
    trunk = view.tubes[TRUNK]
    for group, side in ((ARM_L, "L"), (ARM_R, "R")):
        tube = view.tubes[group]
        if not (extent[group].any() and tube.covers.any()):
            continue
        weights = np.where(tube.covers[..., None], tube.weights, trunk.weights)
        upper, lower = (weights[..., BONES.index(f"{bone}.{side}")] for bone in ("upperarm01", "lowerarm01"))
        zone = (trunk.covers | tube.covers) & (lower < 0.02) & (upper > 0.2)
        mine = zone & (label == TRUNK)
        theirs = zone & (label == group) & (upper < 0.85)
        if (theirs & skin).sum() > 0.5 * theirs.sum():
            theirs &= ~skin
        extent[group] |= mine
        extent[TRUNK] |= theirs
        cut[group] = grow(mine, 6) & (label == TRUNK)
        cut[TRUNK] |= grow(theirs, 6) & (label == group)
    return cut
