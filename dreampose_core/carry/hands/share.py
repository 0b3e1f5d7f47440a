"""How far hands, and bare arms with them, are built in a pose, and which of the photo's arm stays."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dreampose_core.carry.fill import smooth
from dreampose_core.carry.hands.reading import Hand
from pose_tools.body.figure import BONES, load_figure

_LIKE, _UNLIKE = np.radians([28, 35])  # of a hand's turn away from the photo's view: the photo's hand, the built one
_BRUSHED = np.radians(46)  # of it in a whole film: less far the photo's hand is looked at rather than a change
_HIDDEN = np.radians([3, 9])  # the same of a hand that the photo hardly shows
_MOVED = 0.004, 0.015  # metres that such a hand moves beside the hips: as it was, and out from behind what hides it
SOFT = 0.008  # metres over which arm and hand pass into each other
_CROOKED = np.radians([20, 45])  # by which an elbow is straighter than in the photo: the photo's arm, the built one
_STRAIGHTENED = np.radians(50)  # of it in a whole film: less far the photo's arm is looked at rather than a change


class Built(NamedTuple):
    """0…1 how far a hand, and at most as far the bare arm before it, are the built ones."""

    hand: float
    arm: float


def built_share(hand: Hand, side: str, photo: np.ndarray, now: np.ndarray) -> Built:
    """How far hand and arm are built, from the transforms (B,3,4) of the photo's pose and of this one.

    What the photo shows of a hand stays true while the hand turns in the picture's plane; but what is torn out from
    behind something is not even then."""
    if not hand.built:
        return Built(0.0, 0.0)
    arm = _share(_straightened(side, photo, now), *_CROOKED) if hand.bare < 0 else 0.0
    return Built(max(arm, _hand_share(hand, side, photo, now)), arm)


def _hand_share(hand: Hand, side: str, photo: np.ndarray, now: np.ndarray) -> float:
    bone = BONES.index(f"wrist.{side}")
    if hand.shown:
        return _share(_away(bone, photo, now), _LIKE, _UNLIKE)
    first, second = photo[bone, :, :3], now[bone, :, :3]
    turned = np.arccos(np.clip((np.trace(first @ second.T) - 1) / 2, -1, 1))
    wrist = np.append(load_figure().joints[bone], 1)
    before, after = (pose[0, :, :3].T @ (pose[bone] @ wrist - pose[0, :, 3]) for pose in (photo, now))
    return max(_share(turned, *_HIDDEN), _share(np.linalg.norm(after - before), *_MOVED))


def steady_hands(table: np.ndarray, photo: np.ndarray, film: list[np.ndarray]) -> np.ndarray:
    """The rows (2,C) of a sheet's hands for a film with these transforms (B,3,4): of a hand that the photo shows and
    that swings out of its view only a little nothing is built, nor of an arm that is hardly straightened, or they would
    change their looks for a few frames."""
    rows = []
    for side, hand in Hand.each(table):
        bone = BONES.index(f"wrist.{side}")
        straight = max((_straightened(side, photo, now) for now in film), default=0.0)
        away = max((_away(bone, photo, now) for now in film), default=0.0)
        bare = hand.bare if straight >= _STRAIGHTENED else 0.0
        built = hand.built and (bare < 0 or not hand.shown or away >= _BRUSHED)
        rows.append(replace(hand, bare=bare, built=built).to_row())
    return np.stack(rows)


def _straightened(side: str, photo: np.ndarray, now: np.ndarray) -> float:
    """Radians by which the elbow is straighter than in the photo."""
    bones = [BONES.index(f"{bone}.{side}") for bone in ("upperarm01", "lowerarm01", "wrist")]
    bends = []
    for pose in (photo, now):
        shoulder, elbow, wrist = (pose[bone] @ np.append(load_figure().joints[bone], 1) for bone in bones)
        first, second = elbow - shoulder, wrist - elbow
        cosine = first @ second / (np.linalg.norm(first) * np.linalg.norm(second))
        bends.append(np.arccos(np.clip(cosine, -1, 1)))
    return float(bends[0] - bends[1])


def _away(bone: int, photo: np.ndarray, now: np.ndarray) -> float:
    """Radians by which a bone has turned away from the photo's view."""
    return float(np.arccos(np.clip(photo[bone, 1, :3] @ now[bone, 1, :3], -1, 1)))


def _share(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0, 1))


def arm_share(hand: Hand, built: Built, along: np.ndarray) -> np.ndarray:
    """(K,) f32: how much of the photo's arm stays so many metres (K,) beyond the wrist.

    What is built comes before the photo's goes, so that one never sees through both."""
    begun = smooth((along - begin(hand, built)) / (2 * SOFT) + 0.5)
    return 1 - smooth(2 * built_at(hand, built, along) - 1) * begun


def arm_end(hand: Hand, built: Built) -> float:
    """Metres beyond the wrist from which on nothing of the photo's arm is there, nor hides what is behind."""
    first = hand.bare if built.arm == 1 else hand.start if built.hand == 1 else np.inf
    return first + SOFT


def begin(hand: Hand, built: Built) -> float:
    """Metres beyond the wrist where what is built begins."""
    return hand.bare if built.arm else hand.start


def built_at(hand: Hand, built: Built, along: np.ndarray) -> np.ndarray:
    """(K,) f32: how far what lies so many metres (K,) beyond the wrist is built, where anything is."""
    if not built.arm:
        return np.full(len(along), built.hand, np.float32)
    return built.arm + (built.hand - built.arm) * smooth((along - hand.start) / (2 * SOFT) + 0.5)
