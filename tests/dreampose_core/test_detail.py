"""A film larger than the model's frames: the photo's detail where they show the same, and nothing of it elsewhere."""

import cv2
import numpy as np
import pytest

from dreampose_core.carry import Carried
from dreampose_core.film.detail import lay_detail
from dreampose_core.film.finishing import Finish
from pose_tools.sequence import PoseSequence

HEIGHT, WIDTH, TIMES = 40, 32, 2


@pytest.fixture
def carried():
    """A picture with soft shapes and, above them, detail that a model's pixels are too large for."""
    rng = np.random.default_rng(0)
    soft = cv2.resize(rng.uniform(60, 190, (5, 4, 3)), (TIMES * WIDTH, TIMES * HEIGHT), interpolation=cv2.INTER_CUBIC)
    fine = soft + 40 * (np.indices(soft.shape[:2]).sum(0) % 2 - 0.5)[..., None]
    full = np.ones(soft.shape[:2], np.float32)
    return Carried(np.clip(fine, 0, 255).astype(np.uint8), full, full, np.zeros(soft.shape, np.uint8))


def _small(picture):
    return cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)


def _error(a, b):
    return np.abs(a.astype(float) - b).mean()


def test_a_frame_that_shows_the_same_gets_all_of_the_detail(carried):
    frame = _small(carried.picture)
    plain = cv2.resize(frame, (TIMES * WIDTH, TIMES * HEIGHT), interpolation=cv2.INTER_CUBIC)
    laid = lay_detail(frame, carried)
    assert laid.shape == carried.picture.shape and laid.dtype == np.uint8
    assert _error(laid, carried.picture) < 1 < 15 < _error(plain, carried.picture)


def test_what_the_model_made_otherwise_keeps_its_own_picture(carried):
    frame = _small(carried.picture)
    frame[:, : WIDTH // 2] = (200, 20, 20)
    laid = lay_detail(frame, carried)
    mended = laid[:, : TIMES * WIDTH // 2 - 8]
    assert _error(mended, np.full_like(mended, (200, 20, 20))) < 2
    assert _error(laid[:, TIMES * WIDTH // 2 + 8 :], carried.picture[:, TIMES * WIDTH // 2 + 8 :]) < 1


def test_who_renders_sees_the_model_s_size_and_every_person_is_drawn_once(carried):
    drawn = []

    class Moved:
        def __getitem__(self, index):
            drawn.append(index)
            return carried

    poses = PoseSequence(np.zeros((3, HEIGHT, WIDTH, 3), np.uint8), fps=12)
    finish = Finish(poses, Moved(), TIMES)
    seen = finish[1]
    assert seen.picture.shape == (HEIGHT, WIDTH, 3) and seen.iuv.shape == (HEIGHT, WIDTH, 3)
    assert np.array_equal(finish.put(1, seen.picture), lay_detail(seen.picture, carried))
    assert drawn == [1]
    finish.put(2, seen.picture)  # of a model that looks at no carried pictures
    assert drawn == [1, 2]
    assert Finish(poses).put(0, seen.picture) is seen.picture
