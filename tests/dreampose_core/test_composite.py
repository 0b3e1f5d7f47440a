"""Layers over one another, where it is known which is seen."""

import numpy as np
import pytest

from dreampose_core.carry.composite import composite, without_steps
from dreampose_core.carry.fragments import Fragments
from dreampose_core.carry.views import ARM_L, GROUPS, TRUNK

SIDE = 24
SLANT = np.tri(SIDE, SIDE, 4, dtype=bool)  # a staircase


def _over(arm: tuple[float, ...], trunk: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour, alpha and layers of a picture that the trunk covers and an arm before it to below the slant."""
    layers = [None] * GROUPS
    for layer, where, colour, depth in ((TRUNK, np.ones_like(SLANT), trunk, 1.0), (ARM_L, SLANT, arm, 0.0)):
        pixel = np.flatnonzero(where)
        ones = np.ones(len(pixel), np.float32)
        layers[layer] = Fragments(pixel, np.tile(np.float32(colour), (len(pixel), 1)), ones, depth * ones, ones)
    colour, alpha, _, top = composite(layers, [], SIDE**2)
    return colour.reshape(SIDE, SIDE, 3), alpha.reshape(SIDE, SIDE), top.reshape(SIDE, SIDE)


def test_the_nearest_layer_is_told():
    colour, alpha, top = _over((200, 160, 140), (180, 20, 20))
    np.testing.assert_array_equal(top, np.where(SLANT, ARM_L, TRUNK))
    np.testing.assert_allclose(colour[SLANT], np.tile([200, 160, 140], (SLANT.sum(), 1)))
    assert (alpha == 1).all()


@pytest.mark.parametrize(("trunk", "mixed"), [((180, 20, 20), True), ((195, 150, 130), False)])
def test_a_layer_before_another_ends_softly_where_one_would_see_steps(trunk, mixed):
    colour, alpha, top = _over((200, 160, 140), trunk)
    hard = colour.copy()
    without_steps(colour, alpha, top)
    steps = (SLANT[:-1, :-1] != SLANT[1:, :-1]) | (SLANT[:-1, :-1] != SLANT[:-1, 1:])
    changed = np.abs(colour - hard).max(-1) > 1
    inner = slice(3, -3)  # at the picture's border the person ends, too
    assert changed[:-1, :-1][steps][5:-5].any() == mixed
    assert not changed[inner, inner][np.abs(np.subtract(*np.indices((SIDE, SIDE))) + 4)[inner, inner] > 3].any()
    if mixed:
        green = colour[..., 1][inner, inner]
        assert ((green > 40) & (green < 140)).sum() > SIDE / 2, "between the two colours"
