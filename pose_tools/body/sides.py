"""Which way a person faces in each frame, and which leg is which, decided over the whole clip.

A finder of landmarks sometimes takes a back for a front, or one leg for the other. Every frame is therefore read in
several ways, and the cheapest chain of readings is taken (Viterbi, 1967): body points should travel little from
frame to frame, legs should lie in the mask, and a reading that departs from what was found has to pay for it.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import cv2
import numpy as np

from pose_tools.body.sighting import Sighting
from pose_tools.landmarks import MIRROR, Landmarks

WEIGHTS = {0: 0.5, 7: 0.5, 8: 0.5, 11: 1, 12: 1, 13: 0.6, 14: 0.6, 15: 0.4, 16: 0.4, 23: 1, 24: 1,
           25: 0.8, 26: 0.8, 27: 0.8, 28: 0.8, 31: 0.4, 32: 0.4}
LEGS = np.arange(25, 33)
BONES = ((23, 25), (24, 26), (25, 27), (26, 28))
# prices in metres of travel
TURNED = 30.0    # a second, of facing the other way than was found
SWAPPED = 3.0    # a second, of legs other than was found
OTHER_LOOK = 0.03
OUTSIDE = 1.5    # of a whole leg bone that lies outside the mask
CROSSED = 1.0    # a metre by which a left knee or ankle lies beyond the right one
BESIDE = 1.5     # working pixels
AGREE = 0.05     # metres: how far apart two looks at a landmark are that agree


class Reading(NamedTuple):
    """look: whose landmarks; turned: left and right, near and far exchanged; legs: whose legs; swapped: legs
    exchanged."""

    look: int
    turned: bool
    legs: int
    swapped: bool


class Read(NamedTuple):
    """Landmarks as they are read: points (33, 2), visibility (33,), world (33, 3)."""

    points: np.ndarray
    visibility: np.ndarray
    world: np.ndarray


def read(sighting: Sighting, reading: Reading) -> Read:
    """A sighting's landmarks in one reading."""
    order = MIRROR if reading.turned else np.arange(33)
    legs = MIRROR[LEGS] if reading.swapped else LEGS
    out = []
    for name in Read._fields:
        values = getattr(sighting, name)
        own = values[reading.look][order]
        own[LEGS] = values[reading.legs][order][legs]
        out.append(own)
    if reading.turned:
        out[2][:, 2] *= -1
    return Read(*out)


def readings(sighting: Sighting) -> list[Reading]:
    """All readings of a sighting, the one as found first."""
    looks = range(len(sighting.points))
    return [Reading(*each) for each in product(looks, (False, True), looks, (False, True))]


def decide(sightings: list[Sighting | None], fps: float) -> list[Landmarks | None]:
    """Landmarks of every sighting, in pixels of its window, as the clip as a whole says they are to be read."""
    seen = [k for k, sighting in enumerate(sightings) if sighting is not None]
    ways = [readings(sightings[k]) for k in seen]
    reads = [[read(sightings[k], way) for way in mine] for k, mine in zip(seen, ways, strict=True)]
    chosen = _cheapest(
        [_prices(sightings[k], mine, all_of, fps) for k, mine, all_of in zip(seen, ways, reads, strict=True)],
        [_worlds(all_of) for all_of in reads],
    )
    out: list[Landmarks | None] = [None] * len(sightings)
    for k, mine, all_of, best in zip(seen, ways, reads, chosen, strict=True):
        points, visibility, world = _agreed(all_of, mine, best, sightings[k])
        visibility = visibility * _on_mask(sightings[k], points)
        out[k] = Landmarks(points, visibility, world, sightings[k].mask.astype(np.float32))
    return out


def _worlds(all_of: list[Read]) -> tuple[np.ndarray, np.ndarray]:
    """Weighted body points (K, P, 3) of all readings and their trust (K, P)."""
    index = list(WEIGHTS)
    world = np.stack([one.world[index] for one in all_of])
    trust = np.stack([one.visibility[index] for one in all_of])
    return world, np.clip(trust, 0.1, 1) * np.array(list(WEIGHTS.values()))


def _prices(sighting: Sighting, ways: list[Reading], all_of: list[Read], fps: float) -> np.ndarray:
    """What each reading costs by itself, in metres: (K,)."""
    outside = _outside(sighting)
    prices = []
    for way, one in zip(ways, all_of, strict=True):
        price = TURNED / fps * way.turned + SWAPPED / fps * way.swapped + OTHER_LOOK * (way.look + way.legs) / 2
        price += OTHER_LOOK * (way.look != way.legs)
        for a, b in BONES:
            price += OUTSIDE * np.minimum(_along(outside, one.points[a], one.points[b]) / 6, 1).mean()
        across = one.world[23] - one.world[24]
        across = across / max(np.linalg.norm(across), 1e-6)
        for left, right in ((25, 26), (27, 28)):
            price += CROSSED * max(0.0, float(across @ (one.world[right] - one.world[left])))
        prices.append(price)
    return np.array(prices)


def _outside(sighting: Sighting) -> np.ndarray:
    """Distance (h, w) of the window's pixels to the mask."""
    return cv2.distanceTransform((~sighting.mask).astype(np.uint8), cv2.DIST_L2, 3)


def _along(outside: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Distances (8,) to the mask along a bone; 0 beyond the window."""
    along = np.linspace(0.15, 0.95, 8)[:, None]
    places = (first * (1 - along) + second * along).astype(int)
    height, width = outside.shape
    within = ((places >= 0) & (places < [width, height])).all(1)
    x, y = np.clip(places, 0, [width - 1, height - 1]).T
    return outside[y, x] * within


def _on_mask(sighting: Sighting, points: np.ndarray) -> np.ndarray:
    """How far landmarks (33, 2) of legs are to be believed, 0..1: a shin beside the mask tells nothing of the leg."""
    outside, believed = _outside(sighting), np.ones(33)
    for hip, knee in ((23, 25), (24, 26)):
        ankle = knee + 2
        shin = (_along(outside, points[knee], points[ankle]) > BESIDE).mean()
        thigh = (_along(outside, points[hip], points[knee]) > BESIDE).mean()
        believed[[ankle, ankle + 2, ankle + 4]] = (1 - shin) ** 3
        believed[knee] = (1 - (shin + thigh) / 2) ** 2
    return believed


def _cheapest(prices: list[np.ndarray], worlds: list[tuple[np.ndarray, np.ndarray]]) -> list[int]:
    """The chain of readings with the least price and travel."""
    if not prices:
        return []
    total, back = prices[0], []
    for t in range(1, len(prices)):
        (before, trust_before), (now, trust) = worlds[t - 1], worlds[t]
        travel = np.linalg.norm(before[:, None] - now[None], axis=-1)
        shared = np.sqrt(trust_before[:, None] * trust[None])
        ways = total[:, None] + (travel * shared).sum(-1)
        back.append(ways.argmin(0))
        total = ways.min(0) + prices[t]
    chosen = [int(total.argmin())]
    for step in reversed(back):
        chosen.append(int(step[chosen[-1]]))
    return chosen[::-1]


def _agreed(all_of: list[Read], ways: list[Reading], best: int, sighting: Sighting) -> Read:
    """The chosen reading, its landmarks averaged with the other look's where the two agree, doubted where not."""
    own = all_of[best]
    others = [k for k, way in enumerate(ways) if way.look != ways[best].look and way.legs != ways[best].legs]
    if not others:
        return own
    other = min((all_of[k] for k in others), key=lambda one: np.linalg.norm(one.world - own.world, axis=1).sum())
    metre = sighting.window[0] / 1.8
    away = np.linalg.norm(own.points - other.points, axis=1) / metre
    share = (0.5 / (1 + (away / AGREE) ** 2))[:, None]
    doubt = 1 / (1 + (away / (3 * AGREE)) ** 2)
    return Read(own.points * (1 - share) + other.points * share, own.visibility * doubt,
                own.world * (1 - share) + other.world * share)
