"""The textures of a sheet's layers: the photo's colours where a layer is seen, filled in where another hides it, and
those of its back."""

from __future__ import annotations

import cv2
import numpy as np

from dreampose_core.carry.cloth.opening import close_opening
from dreampose_core.carry.cloth.wrap import BACK_SEEN
from dreampose_core.carry.feet.reading import Shoe, dress_back
from dreampose_core.carry.fill import bounds, disc, grow, local_mean, mirror_fill, nearest, smooth
from dreampose_core.carry.head.behind import Seen, back_colours
from dreampose_core.carry.layers import Layers
from dreampose_core.carry.views import GROUPS, LEG_L, LEG_R, NO_GROUP, TRUNK

_FILLED_SEEN = 0.2  # visibility of what is filled in from its neighbours
_SLIVER = 3.0  # how far beyond a layer its soft edge and the pixels it shares with another may reach
_STEPS = 6  # places looked at on the way to a pixel


def make_textures(
    colours: np.ndarray,
    alpha: np.ndarray,
    layers: Layers,
    looks: Seen,
    opening: np.ndarray,
    trunk_weights: np.ndarray,
    shoes: dict[int, Shoe | None],
    bright: list[np.ndarray],
    unit: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """front (L,H,W,4), back (L,H,W,4) and seen (L,H,W), uint8, as a Sheet keeps them. opening (h,w) bool: of an open
    coat; bright (h,w) f32: how bright the light makes each layer."""
    lit = colours
    height, width = alpha.shape
    front = np.zeros((GROUPS, height, width, 4), np.uint8)
    back = np.zeros((GROUPS, height, width, 4), np.uint8)
    seen = np.zeros((GROUPS, height, width), np.uint8)
    nobody = layers.label == NO_GROUP

    def full(mask: np.ndarray) -> np.ndarray:
        return cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)

    for group in range(GROUPS):
        own, extent = layers.label == group, layers.extent[group]
        if not own.any():
            continue
        colours = lit / full(bright[group])[..., None]
        # outside the person a layer may go on: there the photo's alpha is what ends it
        whole = extent | (grow(extent, 2) & nobody)
        share = full(np.maximum(_even(whole, 2.0), _even(own | (whole & nobody), 1.0)))
        # a leg's first pixels below a hem are in its shadow, and mixed with it
        inner = own & ~grow(~own & ~nobody, 2 if group in (LEG_L, LEG_R) else 1)
        source = full(inner | (grow(inner, 2) & nobody)) > 0.9
        filled = mirror_fill(colours, source if source.any() else full(own) > 0.5, 14 * unit)
        shown = full(_even(own | (grow(own, 2) & nobody), 1.5))
        # at the border to another layer pixels are mixed of both, which matters where the two differ
        apart = local_mean(colours, full(own), 4 * unit) - local_mean(colours, full(~own & ~nobody), 4 * unit)
        mixed = np.clip(np.abs(apart).mean(-1) / 20 - 1, 0, 1)
        mine = (shown + mixed * (full(inner | (grow(inner, 2) & nobody)) - shown))[..., None]
        texture = colours * mine + filled * (1 - mine)
        front[group, ..., :3] = texture + 0.5
        if group == TRUNK:  # fingers, which other layers have, are as narrow as slivers
            beside = full(grow(~own & ~nobody, 2) & grow(own, 3)) > 0
            here = bounds(beside, _SLIVER * unit)
            share[here] *= np.where(beside[here], _this_side(full(own)[here] > 0.5, alpha[here], unit), 1)
        front[group, ..., 3] = 255 * alpha * share + 0.5
        seen[group] = 255 * (_FILLED_SEEN + (1 - _FILLED_SEEN) * shown) + 0.5
        back[group] = np.concatenate(
            [front[group, ..., :3], np.full((height, width, 1), 255 * BACK_SEEN)], -1
        )
        if group == TRUNK:
            plain = front[group, ..., :3]
            if opening.any():
                plain = close_opening(plain, full(opening) > 0.5, full(own & ~looks.skin & ~looks.hair) > 0.9, unit)
            drawn, invented = back_colours(plain, own, trunk_weights, looks, unit)
            back[group, ..., :3] = drawn
            back[group, ..., 3] = 255 * BACK_SEEN * (1 - 0.7 * invented)
        elif shoes.get(group):
            dress_back(back[group], front[group], shoes[group])
        near = (
            cv2.dilate(front[group, ..., 3], np.ones((3, 3), np.uint8), iterations=max(2, round(3 * unit)))
            > 0
        )
        for texture in (front[group], back[group]):
            texture[~near] = 0
    return front, back, seen


def _even(mask: np.ndarray, sigma: float) -> np.ndarray:
    """(h,w) f32 0..1: the bool mask (h,w) with stairs of its border, on that many pixels, made even."""
    return np.clip(1.5 * sigma * (cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma) - 0.5) + 0.5, 0, 1)


def _this_side(own: np.ndarray, alpha: np.ndarray, unit: float) -> np.ndarray:
    """(H,W) f32 0..1: 0 beyond background that is seen close to a layer, which is seen at own (H,W) bool.

    A slit between arm and waist may be narrower than a pixel of the analysis grid, and its other side be taken for the
    layer's; when the two part, that sliver would stand in the air."""
    core = cv2.morphologyEx((own & (alpha > 0.5)).astype(np.uint8), cv2.MORPH_OPEN, disc(unit)) > 0
    if not core.any():
        return np.ones_like(alpha)
    y, x = np.indices(alpha.shape, np.float32)
    row, column = (at.astype(np.float32) - here for at, here in zip(nearest(core), (y, x), strict=True))
    least = alpha.copy()
    for step in np.linspace(0, 1, _STEPS, dtype=np.float32):
        least = np.minimum(least, cv2.remap(alpha, x + step * column, y + step * row, cv2.INTER_LINEAR))
    clear = smooth(least / np.maximum(alpha, 1e-3), 0.5, 0.9)
    return np.where(np.hypot(row, column) < _SLIVER * unit, clear, 1)
