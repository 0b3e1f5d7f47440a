"""The trunk's sides beside and behind arms. Works on the analysis grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.ndimage import median_filter
from scipy.sparse.linalg import splu

from dreampose_core.carry.views import ARM_L, ARM_R, NO_GROUP, TRUNK, BodyView

_ARMPITS = 0.3  # of the trunk with its head, from above: where arms begin to hang beside it
_FAR = 30.0  # rows beyond which says little how far cloth lies from the body
_BEYOND = 6.0  # pixels that it does at most
_TAB = 12  # rows between two that are seen, in which nothing sticks out of a side
_SAME = 12.0  # levels of CIELAB up to which two colours are the same
_SLIVER = 4  # pixels up to which cloth between a slit and an arm is the arm's
_SLIT = 20  # pixels of background up to which it is a slit


@dataclass(frozen=True)
class Side:
    """One side of the trunk in N rows. edge (N,): its last column that is seen; in (N,) bool of them an arm goes on
    `beside` it with no background between, or it goes on in `legs`."""

    edge: np.ndarray
    beside: np.ndarray
    legs: np.ndarray

    @property
    def hidden(self) -> np.ndarray:
        """(N,) bool: the rows that do not show where the trunk ends."""
        return self.beside | self.legs


def even_sides(
    trunk: np.ndarray, label: np.ndarray, lab: np.ndarray, solid: np.ndarray, view: BodyView, crotch: int, hem: int
) -> None:
    """Lets the trunk (h,w) bool, in place, end behind arms on the line that its sides have where they are seen, at
    the hips not within the body; where the background is seen between the two it has ended. What lies beyond the line
    and has the colour (h,w,3) of the arm beside it is the arm's, also in the label (h,w)."""
    arms = np.isin(label, (ARM_L, ARM_R)) & solid
    seen = (label == TRUNK) & solid
    body = view.tubes[TRUNK].covers
    rows = np.flatnonzero(body.any(1) & seen.any(1))
    if not len(rows):
        return
    first = rows[0] + round(_ARMPITS * (rows[-1] - rows[0]))
    rows = np.arange(first, min(hem, len(label)))
    rows = rows[seen[rows].any(1)]
    if len(rows) < 12 or not arms[rows].any():
        return
    middle = np.array([np.median(np.flatnonzero(seen[y])) for y in rows]).astype(int)
    for way in (1, -1):
        cloth, arm, out, person, inner, kind, colour = (
            part[:, ::way] for part in (seen, arms, trunk, solid, body, label, lab)
        )
        side = _look_along(rows, middle if way > 0 else seen.shape[1] - 1 - middle, cloth, arm, person)
        if not side.beside.any() or side.hidden.mean() > 0.9:
            continue
        end = _ends(side, rows, rows < crotch, out, inner)
        theirs = side.beside & (end > 0) & (end < side.edge)
        theirs &= (_gap(rows, ~side.hidden) <= _TAB) | _one_colour(colour, rows, end, side.edge)
        for y, start, stop in zip(rows[theirs], end[theirs] + 1, side.edge[theirs] + 1, strict=True):
            kind[y, start:stop] = kind[y, stop]
            arm[y, start:stop] = True
        edge = np.where(theirs, end, side.edge)
        for y, x, last in zip(rows[~side.legs], edge[~side.legs], end[~side.legs], strict=True):
            hidden = arm[y].copy()
            hidden[: x + 1] = False
            out[y, hidden] = False
            hidden[max(x, last) + 1 :] = False
            out[y, hidden] = True


def beyond_slits(label: np.ndarray, solid: np.ndarray) -> None:
    """Gives to the arm (h,w), in place, what is the trunk's in a row only beyond a slit of background before an arm."""
    kinds = np.where(solid, label, NO_GROUP)
    for y in np.flatnonzero((kinds == TRUNK).any(1)):
        starts = np.flatnonzero(np.diff(kinds[y], prepend=-2))
        ends, run = np.append(starts[1:], kinds.shape[1]), kinds[y, starts]
        for slit in np.flatnonzero((run == NO_GROUP) & (ends - starts <= _SLIT)):
            for way in (1, -1):
                arm = slit + way
                if 0 <= arm < len(run) and run[arm] == TRUNK and ends[arm] - starts[arm] <= _SLIVER:
                    arm += way
                if not (0 <= slit - way < len(run) and 0 <= arm < len(run)):
                    continue
                if run[slit - way] == TRUNK and run[arm] in (ARM_L, ARM_R):
                    middle = (starts[slit] + ends[slit]) // 2
                    beyond = slice(middle, starts[arm]) if way > 0 else slice(ends[arm], middle)
                    label[y, beyond][label[y, beyond] == TRUNK] = run[arm]


def _look_along(rows: np.ndarray, middle: np.ndarray, cloth: np.ndarray, arm: np.ndarray, person: np.ndarray) -> Side:
    """The side that lies after the trunk's middle (N,) in the rows of cloth, arm and person (h,w) bool."""
    edge, (legs, beside) = np.empty(len(rows), int), np.zeros((2, len(rows)), bool)
    for i, (y, start) in enumerate(zip(rows, middle, strict=True)):
        end = start + int(np.append(cloth[y, start:] | arm[y, start:], False).argmin())
        legs[i] = end < person.shape[1] and person[y, end]
        run = cloth[y, start:end]
        edge[i] = start + (len(run) - 1 - int(run[::-1].argmax()) if run.any() else 0)
        beside[i] = edge[i] < end - 1 and not legs[i]
    return Side(edge, beside, legs)


def _ends(side: Side, rows: np.ndarray, above: np.ndarray, trunk: np.ndarray, body: np.ndarray) -> np.ndarray:
    """(N,) int: the column in which the trunk ends behind the arm beside it, 0 where there is none. above (N,) bool:
    the crotch; trunk, body (h,w) bool: as far as it is thought to go, and the fitted body's."""
    last = trunk.shape[1] - 1
    guess = np.maximum(last - trunk[rows, ::-1].argmax(1), side.edge)
    of_body = last - body[rows, ::-1].argmax(1)
    guess = _as_seen_near(guess, of_body, side.edge, rows, body[rows].any(1) & above, ~side.hidden)
    # the body tells of the waist; of a skirt's side only what is seen of it does
    weight = np.where(side.hidden, np.where(above, 0.1, 0.001), 1.0)
    line = _smooth_line(np.where(side.hidden, guess, side.edge).astype(float), weight)
    line = np.where(above, np.maximum(line, guess), line)
    return np.where(side.beside, np.round(line), 0).astype(int)


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
