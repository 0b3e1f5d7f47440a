"""Fragments of all layers over one another, and samples made pixels."""

from __future__ import annotations

import cv2
import numpy as np

from dreampose_core.carry.fill import NEIGHBOURS, bounds
from dreampose_core.carry.fragments import Fragments
from dreampose_core.carry.views import ARM_L, ARM_R, TRUNK

_STEP = 0.7  # pixels over which an outline is mixed, where a pixel has one sample
_APART = 24  # of 255: colours that differ by so much beside each other are an edge


def composite(
    layers: list[Fragments | None], hands: list[Fragments], count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Premultiplied colour (count,3), alpha (count,) and visibility (count,), all f32, nearest layer first; and
    (count,) int8 which layer is seen most, -1 where there is none.

    Legs and feet stay behind the trunk, whatever their depth, so that they never break through a skirt.
    """
    under = [i for i in range(len(layers)) if i not in (TRUNK, ARM_L, ARM_R)]
    layers = layers + hands
    many = np.zeros(count, np.uint8)
    for layer in filter(None, layers):
        many[layer.pixel] += 1
    colour, alpha, visibility = np.zeros((count, 3), np.float32), *np.zeros((2, count), np.float32)
    top = np.full(count, -1, np.int8)
    crowded = np.flatnonzero(many > 1)
    place = np.empty(count, np.int32)
    place[crowded] = np.arange(len(crowded))
    depth = np.full((len(layers), len(crowded)), np.inf, np.float32)
    part = np.zeros((len(layers), len(crowded)), np.float32)
    rest = np.zeros((len(layers), len(crowded), 4), np.float32)
    for i, layer in enumerate(layers):
        if layer is None:
            continue
        alone = many[layer.pixel] == 1  # most pixels show one layer, which needs no order
        pixel, own = layer.pixel[alone], layer.alpha[alone]
        colour[pixel], alpha[pixel] = layer.colour[alone] * own[:, None], own
        visibility[pixel] = layer.visibility[alone] * own
        top[pixel] = i
        shared = ~alone
        at = place[layer.pixel[shared]]
        depth[i, at], part[i, at] = layer.depth[shared], layer.alpha[shared]
        rest[i, at, :3], rest[i, at, 3] = layer.colour[shared], layer.visibility[shared]
    trunk = np.where(part[TRUNK] > 0.02, depth[TRUNK], -np.inf)
    for i in under:
        depth[i] = np.maximum(depth[i], trunk + 1e-3)
    free, mixed = np.ones(len(crowded), np.float32), np.zeros((len(crowded), 4), np.float32)
    column = np.arange(len(crowded))
    first, most = np.full(len(crowded), -1, np.int8), np.zeros(len(crowded), np.float32)
    for layer in np.argsort(depth, 0):
        share = free * part[layer, column]
        mixed += share[:, None] * rest[layer, column]
        free -= share
        first = np.where(share > most, layer, first)
        most = np.maximum(most, share)
    colour[crowded], visibility[crowded], alpha[crowded] = mixed[:, :3], mixed[:, 3], 1 - free
    top[crowded] = first
    return colour, alpha, visibility, top


def without_steps(colour: np.ndarray, alpha: np.ndarray, top: np.ndarray) -> None:
    """Mixes, in place, the pixels of premultiplied colour (H,W,3) and alpha (H,W) with their neighbours at the outline,
    and where another of the layers (H,W) int8 begins: with one sample a pixel these are staircases."""
    person = bounds(alpha > 0, 8 * _STEP)
    colour, alpha, top = colour[person], alpha[person], top[person]
    soft = cv2.GaussianBlur(alpha, (0, 0), _STEP)
    rim = np.abs(soft - alpha) > 0.02
    for here, there in NEIGHBOURS:
        ends = (top[here] != top[there]) & (np.abs(colour[here] - colour[there]).max(-1) > _APART)
        rim[here] |= ends
        rim[there] |= ends
    alpha[rim] = soft[rim]
    colour[rim] = cv2.GaussianBlur(colour, (0, 0), _STEP)[rim]


def average(samples: np.ndarray, fine: int) -> np.ndarray:
    """Mean over the samples of each pixel, fine along each axis."""
    if fine == 1:
        return samples
    return cv2.resize(samples, (samples.shape[1] // fine, samples.shape[0] // fine), interpolation=cv2.INTER_AREA)
