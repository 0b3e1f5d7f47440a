"""True frames moved onto carried ones, and other backgrounds behind both."""

import numpy as np
import pytest

from dreampose_core.training.aligning import background_of, draw_background, exchange_background, move_onto

HEIGHT, WIDTH = 160, 128


def _person(left: int) -> tuple[np.ndarray, np.ndarray]:
    """A striped block before a grey wall, and its mask."""
    picture = np.full((HEIGHT, WIDTH, 3), 150, np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[30:130, left : left + 40] = 255
    stripes = np.where(np.arange(100) // 10 % 2, 200, 40).astype(np.uint8)
    picture[30:130, left : left + 40] = stripes[:, None, None]
    return picture, mask


def test_a_small_shift_is_taken_back_and_a_large_one_is_not():
    true, mask = _person(44)
    for shift, fraction in ((4, 0.25), (25, None)):
        carried, alpha = _person(44 + shift)
        moved, moved_mask = move_onto(carried, alpha, true, mask)
        before = np.abs(carried.astype(int) - true).mean()
        after = np.abs(carried.astype(int) - moved).mean()
        if fraction:
            assert after < fraction * before
            assert np.abs(moved_mask.astype(int) - alpha).mean() < np.abs(mask.astype(int) - alpha).mean() * fraction
        else:
            assert after > 0.4 * before


def test_what_is_wrong_inside_stays_to_be_mended():
    true, mask = _person(44)
    carried = true.copy()
    carried[60:70, 50:60] = (255, 0, 0)
    moved, _ = move_onto(carried, mask, true, mask)
    assert np.abs(carried[60:70, 50:60].astype(int) - moved[60:70, 50:60]).mean() > 60


def test_background_behind_people_is_exchanged():
    pictures, masks = (np.stack(part) for part in zip(*(_person(left) for left in (20, 70)), strict=True))
    wall = background_of(pictures, masks)
    assert wall == pytest.approx(150, abs=0.01)
    new = draw_background(np.random.default_rng(1), HEIGHT, WIDTH)
    assert new.shape == wall.shape and 0 <= new.min() and new.max() <= 255
    made = exchange_background(pictures[0], masks[0], wall, new)
    assert np.array_equal(made[masks[0] > 0], pictures[0][masks[0] > 0])
    assert np.abs(made[masks[0] == 0] - new[masks[0] == 0]).max() <= 1
