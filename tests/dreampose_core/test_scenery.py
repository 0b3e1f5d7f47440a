"""What is behind a person, where it is known what that is: drawn rooms and houses with somebody before them."""

import numpy as np
import pytest

from dreampose_core.carry.fill import smooth_fill
from dreampose_core.carry.scenery import complete_scene

HEIGHT, WIDTH = 320, 256
Y, X = np.mgrid[:HEIGHT, :WIDTH]
GROUND = Y >= 280
# somebody with a head, a body and two legs, between which one sees through
PERSON = ((X - 128) ** 2 + (Y - 60) ** 2 < 18**2) | ((abs(X - 128) < 32) & (Y > 75) & (Y < 180))
PERSON |= (abs(abs(X - 128) - 17) < 12) & (Y >= 180) & (Y < 300)


def _room() -> np.ndarray:
    """A wall that is lit from the left, a door whose edge the person hides, and a floor."""
    wall = np.stack([210 - 0.1 * X, 200 - 0.1 * X, 190 - 0.1 * X], -1)
    wall[(X > 70) & (X < 135) & (Y > 25)] = (90, 60, 40)
    wall[GROUND] = (150, 120, 90)
    return np.clip(wall, 0, 255).astype(np.uint8)


def _house() -> np.ndarray:
    wall = np.full((HEIGHT, WIDTH, 3), (190, 150, 120), np.uint8)
    wall[(X % 20 < 9) & (Y % 24 < 12)] = (50, 60, 80)
    wall[GROUND] = (120, 120, 125)
    return wall


def _wrong(filled: np.ndarray, truth: np.ndarray) -> float:
    """Levels by which the hidden place is not what it should be."""
    return float(np.abs(filled - truth.astype(float))[PERSON].mean())


def test_a_door_goes_on_behind_somebody_and_ends_in_a_straight_edge():
    room = _room()
    photo = np.where(PERSON[..., None], np.uint8(255), room)
    filled = complete_scene(photo, ~PERSON)
    np.testing.assert_array_equal(filled[~PERSON], photo[~PERSON])
    assert _wrong(filled, room) < min(8, 0.3 * _wrong(smooth_fill(photo.astype(np.float32), ~PERSON), room))


def test_a_house_has_windows_behind_somebody_too():
    house = _house()
    photo = np.where(PERSON[..., None], np.uint8(0), house)
    filled = complete_scene(photo, ~PERSON)
    inner = PERSON & ~GROUND
    for part in (filled, house):
        assert 0.15 < (part[inner].mean(-1) < 80).mean() < 0.35, "a quarter of the house is windows"
    assert filled[inner].std(0).min() > 0.7 * house[inner].std(0).min()
    again = complete_scene(photo, ~PERSON)
    np.testing.assert_array_equal(again, filled)


@pytest.mark.parametrize("known", [Y < 12, X < 12, (X < 20) & (Y < 20), (Y % 40 == 0) & (X % 40 == 0)])
def test_little_that_is_known_is_made_the_most_of(known):
    room = _room()
    filled = complete_scene(room, known)
    assert np.isfinite(filled).all() and filled.min() > 30 and filled.max() < 225, "nothing but what is there"
    np.testing.assert_array_equal(filled[known], room[known])
