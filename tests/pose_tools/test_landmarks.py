"""Finding people: what can be tested without photographs of people, and the examples where there are some."""
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pose_tools.body.camera import Camera
from pose_tools.landmarks import MIRROR, find_landmarks
from tests.pose_tools.bodies import FIGURE, perfect_landmarks, posed

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "assets" / "examples").glob("*.jpg"))[:2]


def test_nobody_in_an_empty_picture():
    assert find_landmarks(np.full((120, 90, 3), 200, np.uint8)) is None


def test_mirror_swaps_sides():
    still = np.zeros(len(FIGURE.mode_names))
    camera = Camera(120.0, 70.0, 118.0, 160, 240)
    found = perfect_landmarks(still, posed(0.4, lowerarm01_L=[0.0, 0.5, 0.3]), camera)
    mirrored = found.mirrored()
    assert np.array_equal(MIRROR[MIRROR], np.arange(33))
    assert {int(MIRROR[i]) for i in (11, 12)} == {11, 12} and MIRROR[11] == 12 and MIRROR[31] == 32
    np.testing.assert_allclose(mirrored.points[11], [160 - found.points[12, 0], found.points[12, 1]])
    np.testing.assert_array_equal(mirrored.mask, found.mask[:, ::-1])
    np.testing.assert_allclose(mirrored.mirrored().world, found.world)


@pytest.mark.skipif(not EXAMPLES, reason="no example photos in assets/examples")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_person(path):
    picture = np.asarray(Image.open(path).convert("RGB"))
    found, wide = find_landmarks(picture), find_landmarks(picture, (40, 30))
    assert found.mask.shape == picture.shape[:2] and found.mask.dtype == np.float32
    assert 0.03 < (found.mask > 0.5).mean() < 0.7
    body = found.points[[11, 12, 23, 24]].astype(int)
    assert (found.mask[body[:, 1], body[:, 0]] > 0.5).all()
    assert wide.mask.shape == found.mask.shape
    away = np.linalg.norm(wide.points - found.points, axis=1)[[0, 11, 12, 23, 24]]
    assert away.max() < 0.06 * picture.shape[0]
