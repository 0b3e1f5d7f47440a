"""Colours of a frame that are off over wide areas, and those that are not."""

import numpy as np
import pytest

from dreampose_core.carry import Carried
from dreampose_core.film.colours import MOST, match_colours

SIZE = 160, 128


@pytest.fixture
def carried() -> Carried:
    rng = np.random.default_rng(0)
    picture = np.kron(rng.integers(80, 180, (20, 16, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    alpha = np.zeros(SIZE, np.float32)
    alpha[20:140, 30:100] = 1
    seen = alpha.copy()
    seen[:, 70:] = 0  # the photo saw the left half
    return Carried(picture, alpha, seen, np.zeros((*SIZE, 3), np.uint8))


def test_a_true_frame_stays_as_it_is(carried):
    frame = carried.picture.astype(np.float32) / 255
    np.testing.assert_allclose(match_colours(frame, carried), frame, atol=1e-6)


def test_dulled_cloth_gets_its_colour_back_and_keeps_its_folds(carried):
    true = carried.picture.astype(np.float32) / 255
    folds = 0.04 * np.sin(np.arange(SIZE[0]) * 2.5)[:, None, None]
    dull = np.clip(true - (0.12, 0.08, 0.04) + folds, 0, 1)
    made = match_colours(dull, carried)
    middle = slice(40, 120), slice(38, 62)
    assert np.abs((made - true - folds)[middle]).mean() < 0.2 * np.abs((dull - true - folds)[middle]).mean()
    assert np.array_equal(made[:15], dull[:15])  # the background
    unseen = slice(40, 120), slice(92, 100)
    assert np.abs((made - dull)[unseen]).mean() < np.abs((made - dull)[middle]).mean()


def test_a_wrong_carried_picture_moves_a_colour_by_little(carried):
    made = match_colours(np.ones((*SIZE, 3), np.float32), carried)
    assert made.min() >= 1 - MOST - 1e-6
