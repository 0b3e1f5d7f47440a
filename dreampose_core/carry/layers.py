"""Which pixel belongs to the trunk (with skirt, head and hair), to an arm or to a leg.

Works on the analysis grid, a picture of about 320 rows; lengths in pixels are meant for that size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from dreampose_core.carry.colours import log_ratio, skin_like
from dreampose_core.carry.extents import extents, overlap_shoulders
from dreampose_core.carry.fill import NEIGHBOURS, between, bleed, distance, grow, shrink, signed_distance
from dreampose_core.carry.sides import beyond_slits, even_sides
from dreampose_core.carry.views import (
    ARM_L,
    ARM_R,
    GROUPS,
    HAND_PARTS,
    LEG_L,
    LEG_R,
    LOWER_ARM_PARTS,
    NO_GROUP,
    TRUNK,
    BodyView,
    between_legs,
)

_SEAT = 8  # pixels below the crotch that are one cloth in shorts, too
_PARTED = 0.4  # of the rows down to a hem: so many show background between legs, and in no skirt a quarter does


@dataclass(frozen=True)
class Layers:
    """label (h,w) int8: the layer seen at each pixel of the person, NO_GROUP outside; extent (GROUPS,h,w) bool:
    where each layer is, seen or hidden; cut (GROUPS,h,w) bool: at and beyond the edge where it is cut off from
    the body, which is not its outline; crotch and hem: rows between which the trunk is a skirt (equal: none)."""

    label: np.ndarray
    extent: np.ndarray
    cut: np.ndarray
    crotch: int
    hem: int


def split(colours: np.ndarray, alpha: np.ndarray, view: BodyView) -> Layers:
    """Layers of the person with colours (h,w,3) uint8 and alpha (h,w), given the body's view."""
    lab = cv2.cvtColor(colours, cv2.COLOR_RGB2LAB).astype(np.float32)
    person = alpha > 0.02
    solid = alpha > 0.5
    crotch, hem = _find_skirt(lab, solid, view)
    rows = np.arange(len(alpha))[:, None]
    seen = view.group.copy()
    skirt = (seen >= LEG_L) & (rows < hem)
    seen[skirt] = TRUNK
    between = between_legs(view) & (rows < hem)
    seen[between & (seen == NO_GROUP)] = TRUNK
    if hem > crotch:
        _along_hem(seen, lab, solid, view, crotch, hem)
        floor = np.flatnonzero((view.group >= LEG_L).any(1))
        if len(floor) and hem > floor[-1] - 0.14 * (floor[-1] - floor[0]):  # beside the feet there is but cloth
            seen[(seen == NO_GROUP) & solid & (rows < hem) & (rows > crotch)] = TRUNK
    cost = _costs(lab, person, seen, view)
    label = _random_walk(lab, person, cost)
    label = _tidy(label, seen, person)
    beyond_slits(label, alpha > 0.8)
    extent = extents(label, person, alpha > 0.9, view, crotch, hem)
    even_sides(extent[TRUNK], label, lab, alpha > 0.8, view, crotch, hem)
    skin = skin_like(lab, person, view)
    return Layers(label, extent, overlap_shoulders(extent, label, skin, view), crotch, hem)


def _find_skirt(lab: np.ndarray, solid: np.ndarray, view: BodyView) -> tuple[int, int]:
    """Rows of the crotch and of the hem.

    Every row of the legs votes for cloth that joins them: the gap between them is filled, the person is wider than
    the body, the colour is that of the hips and not that of the shins. The hem is the row that parts the votes
    best.
    """
    legs = view.tubes[LEG_L].covers | view.tubes[LEG_R].covers
    present = np.flatnonzero(legs.any(1))
    if len(present) < 20:
        return len(lab), len(lab)
    between = between_legs(view)
    gap = between & ~legs & ~(view.group == ARM_L) & ~(view.group == ARM_R)
    top, bottom = present[0], present[-1]
    height = bottom - top
    separate = np.flatnonzero(gap.sum(1) >= 1)
    separate = separate[separate > top + 0.08 * height]
    crotch = int(separate[0]) if len(separate) else int(top + 0.18 * height)
    crotch = min(crotch, int(top + 0.3 * height))
    ankle = int(bottom - 0.14 * height)

    core = shrink(legs | view.tubes[TRUNK].covers, 1.5) & solid
    core &= ~grow((view.group == ARM_L) | (view.group == ARM_R), 3)
    rows = np.arange(len(lab))[:, None]
    hips = core & (rows > top - 0.1 * height) & (rows <= crotch)
    shins = core & (rows > bottom - 0.32 * height) & (rows < ankle)
    ratio = log_ratio(lab, hips, shins)
    votes = np.zeros(len(lab))
    for y in range(crotch, ankle):
        wide = gap[y].sum()
        filled = solid[y][gap[y]].mean() if wide else 0.5
        votes[y] += 4 * (filled - 0.5) * np.clip((wide - 1) / 4, 0, 1)
        inner = core[y] & legs[y]
        if inner.any():
            votes[y] += np.clip(ratio[y][inner].mean(), -1, 1)
        columns = np.flatnonzero(between[y])
        if len(columns):
            beyond = solid[y].sum() - solid[y, columns[0] : columns[-1] + 1].sum()
            votes[y] += np.clip(beyond / (len(columns) + 1) - 0.25, -0.3, 0.7)
    score = np.cumsum(votes[crotch:ankle])
    best = int(score.argmax())
    if score[best] <= 2:
        return crotch, crotch
    hem = crotch + best + 1
    if hem >= ankle - 2:  # down to the floor: as far as it stays wide
        width = solid.sum(1)
        narrow = np.flatnonzero(width[hem:] < 0.75 * width[hem - 1])
        hem += int(narrow[0]) if len(narrow) else len(width) - hem
    return crotch, min(hem, crotch + _SEAT) if _parted(solid, view, crotch, hem) else hem


def _parted(solid: np.ndarray, view: BodyView, crotch: int, hem: int) -> bool:
    """Whether background is seen between the legs in many of the rows down to the hem: shorts, and no skirt."""
    arms = grow((view.group == ARM_L) | (view.group == ARM_R), 3)
    gap = between_legs(view) & between(solid) & ~solid & ~arms
    return bool(gap[crotch:hem].any(1).mean() > _PARTED)


def _along_hem(seen: np.ndarray, lab: np.ndarray, solid: np.ndarray, view: BodyView, crotch: int, hem: int) -> None:
    """Where cloth and legs differ in colour, the hem follows it up and down (seen, in place)."""
    rows = np.arange(len(lab))[:, None]
    legs = (view.group >= LEG_L) & solid
    if not legs.any():
        return
    reach = max(4, round(0.25 * (hem - crotch)))
    feet = np.flatnonzero(legs.any(1))[-1] - 0.6 * reach
    middle = shrink(solid, 2) & (between_legs(view) | (view.group == TRUNK))
    cloth = middle & (rows > crotch - reach) & (rows < hem - reach)
    bare = middle & legs & (rows > hem + reach) & (rows < min(hem + 3 * reach, feet))
    ratio = cv2.GaussianBlur(log_ratio(lab, cloth, bare), (0, 0), 1.0)
    if not (cloth.any() and bare.any() and np.median(ratio[cloth]) > 1 and np.median(ratio[bare]) < -1):
        return
    about = solid & (np.abs(rows - hem) < reach) & (between_legs(view) | legs) & (seen != ARM_L) & (seen != ARM_R)
    seen[about & (ratio > 0.5)] = TRUNK
    leg = about & (ratio < -0.5) & (view.group >= LEG_L)
    seen[leg] = view.group[leg]


def _costs(lab: np.ndarray, person: np.ndarray, seen: np.ndarray, view: BodyView) -> np.ndarray:
    """(GROUPS,h,w) what it costs to give a pixel to a group: by distance from the fitted group, and by colour."""
    cost = np.empty((GROUPS, *person.shape), np.float32)
    for group in range(GROUPS):
        away = signed_distance(seen == group)
        cost[group] = np.where(away > 0, away / 2.0, away / 3.0).clip(-3, 20)
    arms = np.isin(seen, (ARM_L, ARM_R))
    hands = arms & np.isin(view.part, HAND_PARTS)
    lower = arms & np.isin(view.part, LOWER_ARM_PARTS)
    inside = shrink(seen >= 0, 1) & person
    skin = skin_like(lab, person, view)
    for zone in (hands, lower, arms & ~lower & ~hands):
        core = shrink(zone, 1.2) & inside
        bare = (core & skin).sum() > 0.3 * core.sum()
        if bare:  # a bare arm: what else lies there is what it rests on
            core &= skin
        beside = (seen == TRUNK) & inside & grow(zone, 18) & ~grow(arms, 2.5)
        ratio = np.clip(log_ratio(lab, core, beside), -3, 3)
        near = np.clip(1 - (distance(zone) - 3) / 6, 0, 1)
        # what looks like the cloth beside a bare hand is cloth, also where the fitted hand lies over it
        gain = 0.8 * ratio - np.where((zone is hands) & bare & ~skin, 1.2 * np.clip(-ratio, 0, 3), 0)
        cost[ARM_L] -= gain * near
        cost[ARM_R] -= gain * near
    return cost


def _random_walk(lab: np.ndarray, person: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """Labels (h,w) that follow both the costs and the picture's edges: random walker segmentation with priors
    (Grady, Multilabel random walker image segmentation using prior models, CVPR 2005)."""
    prior = np.exp(-(cost - cost.min(0)))
    prior /= prior.sum(0)
    index = np.full(person.shape, -1)
    count = int(person.sum())
    index[person] = np.arange(count)
    pairs, weights = [], []
    for here, there in NEIGHBOURS:
        joined = person[here] & person[there]
        step = ((lab[here] - lab[there]) ** 2).sum(-1)[joined]
        pairs.append(np.stack([index[here][joined], index[there][joined]]))
        weights.append(np.exp(-step / (2 * 9.0**2)) + 0.01)
    (a, b), w = np.concatenate(pairs, 1), np.concatenate(weights)
    pull = 0.06
    degree = np.bincount(a, w, count) + np.bincount(b, w, count) + pull
    system = sparse.coo_matrix((-w, (a, b)), (count, count))
    system = (system + system.T + sparse.diags(degree)).tocsc()
    solved = splu(system).solve(pull * prior[:, person].T.astype(np.float64))
    chance = np.zeros((*person.shape, GROUPS), np.float32)
    chance[person] = solved
    chance = cv2.GaussianBlur(chance, (0, 0), 0.9)
    return np.where(person, chance.argmax(-1), NO_GROUP).astype(np.int8)


def _tidy(label: np.ndarray, seen: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Labels without islands: a part of a layer that lies off its fitted group goes to its neighbours."""
    keep = np.zeros(person.shape, bool)
    for group in range(GROUPS):
        count, parts, stats, _ = cv2.connectedComponentsWithStats((label == group).astype(np.uint8), connectivity=4)
        for i in range(1, count):
            part = parts == i
            if (seen[part] == group).sum() > 0.2 * stats[i, cv2.CC_STAT_AREA]:
                keep |= part
    tidy = bleed(label, keep)
    return np.where(person, tidy, NO_GROUP).astype(np.int8)
