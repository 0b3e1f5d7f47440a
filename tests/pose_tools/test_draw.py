"""Drawn charts: parts tell apart, U and V show, the photo shows through."""

import numpy as np

from pose_tools.draw import BACKGROUND, PALETTE, colour_iuv, enlarged, overlay


def flat(part, u=128, v=128, size=6):
    return np.full((size, size, 3), (part, u, v), np.uint8)


def test_every_part_has_a_colour_of_its_own():
    distance = np.abs(PALETTE[:, None] - PALETTE[None]).sum(-1) + 1000 * np.eye(25)
    assert PALETTE.shape == (25, 3) and distance.min() > 25


def test_the_background_and_shades():
    assert (colour_iuv(flat(0, 90, 200)) == BACKGROUND).all()
    assert (colour_iuv(flat(0), (255, 255, 255)) == 255).all()
    dark, light = colour_iuv(flat(2, u=16)).astype(int), colour_iuv(flat(2, u=240)).astype(int)
    assert (light > dark).all()
    assert (colour_iuv(flat(2, v=16)) != colour_iuv(flat(2, v=240))).any()
    assert (colour_iuv(flat(24, 255, 255)) > 150).all()  # bright, not wrapped around


def test_overlay_keeps_the_photo_where_nobody_is():
    photo = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    iuv = flat(0)
    iuv[:3, :3] = (2, 100, 100)
    mixed = overlay(photo, iuv, 0.5)
    assert mixed.shape == photo.shape
    assert np.array_equal(mixed[6:], photo[6:]) and np.array_equal(mixed[:, 6:], photo[:, 6:])
    want = (photo[:6, :6].astype(float) + colour_iuv(flat(2, 100, 100))) / 2
    assert np.abs(mixed[:6, :6] - want).max() <= 1


def test_charts_are_enlarged_without_the_steps_of_their_pixels():
    rows, columns = np.mgrid[:64, :48]
    drawn = np.where((columns > 10 + rows / 3)[..., None], 220, 20).astype(np.uint8) + np.zeros(3, np.uint8)
    rows, columns = (np.mgrid[:128, :96] + 0.5) / 2 - 0.5
    true = np.clip(2 * (columns - 10 - rows / 3) + 0.5, 0, 1)
    large, stepped = enlarged(drawn, 96, 128), drawn.repeat(2, 0).repeat(2, 1)
    assert large.shape == (128, 96, 3) and large.dtype == np.uint8
    wrong = [np.abs(one[4:-4, :, 0] / 200 - 0.1 - true[4:-4]).mean() for one in (large, stepped)]
    assert wrong[0] < wrong[1], "nearer to the line than its pixels are"
    assert enlarged(drawn, 24, 32).shape == (32, 24, 3)
