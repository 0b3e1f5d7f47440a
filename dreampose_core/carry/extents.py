"""Where layers go on behind one another: the trunk behind arms, legs under a skirt, both under each other at shoulders.

Works on the analysis grid, as layers.py does.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy import sparse
from scipy.ndimage import median_filter
from scipy.sparse.linalg import splu

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

_FAR = 30.0  # rows beyond which says little how far cloth lies from the body
_BEYOND = 6.0  # pixels that it does at most
_TAB = 12  # rows between two that are seen, in which nothing sticks out of a side
_SAME = 12.0  # levels of CIELAB up to which two colours are the same
_ARMPITS = 0.3  # of the trunk with its head, from above: where arms begin to hang beside it


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


def even_sides(
    trunk: np.ndarray, label: np.ndarray, lab: np.ndarray, solid: np.ndarray, view: BodyView, crotch: int, hem: int
) -> None:
    """Lets the trunk (h,w) bool, in place, end behind arms on the line that its sides have where they are seen, at
    the hips not within the body; where the background is seen between the two it has ended. What lies beyond the line
    and has the colour (h,w,3) of the arm beside it is the arm's, also in the label (h,w)."""
    arms = np.isin(label, (ARM_L, ARM_R)) & solid
    seen = (label == TRUNK) & solid
    rows = np.flatnonzero(view.tubes[TRUNK].covers.any(1) & seen.any(1))
    if not len(rows):
        return
    first = rows[0] + round(_ARMPITS * (rows[-1] - rows[0]))
    rows = np.arange(first, min(hem, len(label)))
    rows = rows[seen[rows].any(1)]
    if len(rows) < 12 or not arms[rows].any():
        return
    middle = np.array([np.median(np.flatnonzero(seen[y])) for y in rows]).astype(int)
    width = seen.shape[1]
    for mirrored in (False, True):
        sides = seen, arms, trunk, solid, view.tubes[TRUNK].covers, label, lab
        cloth, arm, out, person, body, kind, colour = (a[:, ::-1] if mirrored else a for a in sides)
        edge, (legs, beside) = np.empty(len(rows), int), np.zeros((2, len(rows)), bool)
        for i, y in enumerate(rows):
            start = width - 1 - middle[i] if mirrored else middle[i]
            end = start + int(np.append(cloth[y, start:] | arm[y, start:], False).argmin())
            legs[i] = end < width and person[y, end]  # it goes on as a leg
            run = cloth[y, start:end]
            edge[i] = start + (len(run) - 1 - int(run[::-1].argmax()) if run.any() else 0)
            beside[i] = edge[i] < end - 1 and not legs[i]  # it goes on as an arm, with no background between
        if not beside.any() or (beside | legs).mean() > 0.9:
            continue
        guess = np.maximum(width - 1 - out[rows, ::-1].argmax(1), edge)
        told = body[rows].any(1) & (rows < crotch)
        guess = _as_seen_near(guess, width - 1 - body[rows, ::-1].argmax(1), edge, rows, told, ~(beside | legs))
        # the body tells of the waist; of a skirt's side only what is seen of it does
        weight = np.where(beside | legs, np.where(rows < crotch, 0.1, 0.001), 1.0)
        line = _smooth_line(np.where(beside | legs, guess, edge).astype(float), weight)
        line = np.where(rows < crotch, np.maximum(line, guess), line)
        end = np.where(beside, np.round(line), 0).astype(int)
        theirs = beside & (end > 0) & (end < edge)
        theirs &= (_gap(rows, ~(beside | legs)) <= _TAB) | _one_colour(colour, rows, end, edge)
        for y, first, last in zip(rows[theirs], end[theirs] + 1, edge[theirs] + 1, strict=True):
            kind[y, first:last] = kind[y, last]
            arm[y, first:last] = True
        edge = np.where(theirs, end, edge)
        for y, x, last in zip(rows[~legs], edge[~legs], end[~legs], strict=True):
            hidden = arm[y].copy()
            hidden[: x + 1] = False
            out[y, hidden] = False
            hidden[max(x, last) + 1 :] = False
            out[y, hidden] = True


def _gap(rows: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(N,) how many rows lie between the nearest that are seen (N,) bool above and below each of rows (N,)."""
    above = np.maximum.accumulate(np.where(seen, rows, -len(rows)))
    below = np.minimum.accumulate(np.where(seen, rows, rows[-1] + len(rows))[::-1])[::-1]
    return below - above


def _one_colour(colour: np.ndarray, rows: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """(N,) bool: whether in rows (N,), and those about them, the colours (h,w,3), CIELAB, are the same before and
    after the last (N,) of the columns from the first (N,) on."""
    apart = np.full(len(rows), np.inf)
    for i in np.flatnonzero(last > first):
        before, after = colour[rows[i], first[i] + 1 : last[i] + 1], colour[rows[i], last[i] + 1 : last[i] + 5]
        apart[i] = np.linalg.norm(before.mean(0) - after.mean(0))
    return median_filter(apart, 7, mode="nearest") < _SAME


def _as_seen_near(
    guess: np.ndarray, body: np.ndarray, edge: np.ndarray, rows: np.ndarray, told: np.ndarray, seen: np.ndarray
) -> np.ndarray:
    """guess (N,), where the trunk ends in rows (N,), no farther beyond the fitted body's edge (N,) than it does, near
    by, where its own edge (N,) is seen (N,) bool; told (N,) bool: the rows in which the body tells anything."""
    seen = seen & told
    if not seen.any():
        return guess
    away = np.abs(rows[:, None] - rows[seen]).min(1)
    beyond = np.interp(rows, rows[seen], np.clip(edge - body, -_BEYOND, _BEYOND)[seen])
    return guess + np.minimum(body + beyond - guess, 0) * told * np.exp(-away / _FAR)


def _smooth_line(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """values (N,) smoothed where they have little weight (N,): second differences cost (Whittaker, On a new method of
    graduation, 1923)."""
    bend = sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], (len(values) - 2, len(values)))
    system = sparse.diags(weight) + 60.0 * bend.T @ bend
    return splu(system.tocsc()).solve(weight * values)


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
