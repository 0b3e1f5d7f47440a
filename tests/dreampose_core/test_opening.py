"""Open coats: where one is open, and what is behind that on the back."""

import numpy as np
import pytest

from dreampose_core.carry.cloth.opening import close_opening, find_opening
from dreampose_core.carry.fill import grow

SIZE = 160, 120
NECK, HEM, CROTCH = 20, 90, 110
COAT, SHIRT = (60.0, 128.0, 128.0), (180.0, 120.0, 150.0)


def _dressed(belt: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Colours, where the trunk and the sleeves are seen, and where the coat is open, which ends at the hem."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    trunk, sleeves = (y >= NECK) & (y < CROTCH) & (abs(x - 60) < 25), (y >= 25) & (y < 90) & (abs(abs(x - 60) - 35) < 7)
    opened = trunk & (y < HEM) & (abs(x - 60) < 8 + y / 20)
    if belt:
        opened &= abs(y - 60) > 3
    lab = np.where((opened | (trunk & (y >= HEM)))[..., None], SHIRT, COAT).astype(np.float32)
    lab += np.random.default_rng(0).normal(0, 3, lab.shape).astype(np.float32)
    return lab, trunk, sleeves, opened


@pytest.mark.parametrize("belt", [False, True])
def test_an_open_coat_is_open_down_to_its_hem(belt):
    lab, trunk, sleeves, opened = _dressed(belt=belt)
    found = find_opening(lab, trunk, sleeves, NECK, CROTCH)
    assert (found & opened).sum() > 0.85 * opened.sum()
    assert (found & ~opened).sum() < 0.15 * opened.sum()


def test_what_is_no_open_coat_has_no_opening():
    lab, trunk, sleeves, opened = _dressed()
    same = np.where(opened[..., None], lab[0, 0], lab)  # closed
    print_ = np.where((opened & (np.arange(SIZE[0])[:, None] > 55))[..., None], lab, lab[0, 0])  # a print on its front
    vest = np.where(sleeves[..., None], SHIRT, lab).astype(np.float32)  # the sleeves are the shirt's
    for picture in (same, print_, vest):
        assert not find_opening(picture, trunk, sleeves, NECK, CROTCH).any()
    assert not find_opening(lab, trunk, np.zeros_like(sleeves), NECK, CROTCH).any()


@pytest.mark.parametrize("patterned", [False, True])
def test_the_back_of_an_open_coat_is_of_its_cloth(patterned):
    _, trunk, _, opened = _dressed()
    coat = np.full((*SIZE, 3), (90, 60, 40), np.uint8)
    if patterned:
        coat[np.add.outer(np.arange(SIZE[0]) // 5, np.arange(SIZE[1]) // 5) % 2 == 0] = (200, 190, 180)
    front = np.where(opened[..., None], np.uint8((20, 220, 60)), coat)
    back = close_opening(front, opened, trunk, 1.0)
    green = (back[..., 1].astype(int) - back[..., 0] > 60) & trunk & (np.arange(SIZE[0]) < HEM)[:, None]
    assert not green.any()
    beyond = ~grow(trunk, 3)
    assert np.array_equal(back[beyond], front[beyond])
    assert (back[opened, 0].std() > 20) == patterned
