"""Distances to a mask, to the last bit: what is chosen by them must not depend on threads or on memory."""

import cv2
import numpy as np
import pytest

from dreampose_core.carry.fill import distance


@pytest.fixture(params=[1, 2])
def threads(request):
    before = cv2.getNumThreads()
    cv2.setNumThreads(request.param)
    yield request.param
    cv2.setNumThreads(before)


def test_distances_are_exact_with_any_number_of_threads(threads):
    rng, held = np.random.default_rng(0), []
    mask = np.zeros((150, 130), bool)
    spots = rng.integers(0, mask.shape, (9, 2))
    mask[tuple(spots.T)] = True
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    squares = ((np.stack([y, x], -1)[:, :, None] - spots) ** 2).sum(-1).min(-1)
    for size in range(1, 20):
        held.append(bytes(17 * size))  # so that memory lies elsewhere each time
        assert np.array_equal(distance(mask), np.sqrt(squares.astype(np.float32)))


def test_a_mask_that_is_empty_is_far_away():
    assert distance(np.zeros((4, 5), bool)).min() > 1e3
